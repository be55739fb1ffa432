"""The norm that a model hands to a block is applied inside it."""

from __future__ import annotations

import torch
from torch import nn

from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import apply, inputs, usual_length
from swarmformer.testing.require import NotApplicableError, assert_close, require


@check("local", "cluster", "feedback")
def norm_is_applied_inside(case: Case) -> None:
    """An identity changes nothing; a layer norm changes the result."""
    component, N = case.build(), usual_length(case)
    if not list(component.parameters()):
        raise NotApplicableError("nothing is learned, so there is no MLP or attention to normalise for")
    x = 3 * inputs(case.slot, 2, N) + 1
    with torch.no_grad():
        plain, same = apply(case.slot, component, x, None), apply(case.slot, component, x, None, nn.Identity())
        normed = apply(case.slot, component, x, None, nn.LayerNorm(DIMS.d_model))
    assert_close("with an identity for a norm", plain, same, atol=1e-6)
    require(not torch.allclose(plain, normed, atol=1e-3), "a layer norm makes no difference: it is not applied")
