"""Feedback: what clusters tell their tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from swarmformer.contracts import Assignment
from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import chunks, inputs, lengths_for
from swarmformer.testing.require import assert_close, require, require_finite


class Soft(Assignment):
    """Every token belongs to all clusters with random weights."""

    def __init__(self, N: int) -> None:
        super().__init__()
        C = -(-N // DIMS.cluster_size)
        self.weights_NC = torch.randn(N, C, generator=torch.Generator().manual_seed(2)).softmax(dim=-1)

    def pool(self, x_BND: Tensor) -> Tensor:
        return self.weights_NC.T @ x_BND

    def broadcast(self, c_BCX: Tensor) -> Tensor:
        return self.weights_NC @ c_BCX


@check("feedback")
def works_with_any_assignment(case: Case) -> None:
    """Also where tokens belong to many clusters; what the clusters hold makes a difference."""
    component = case.build()
    for N in lengths_for(case):
        x, assignment = inputs("feedback", 2, N), Soft(N)
        c = assignment.pool(x)
        with torch.no_grad():
            out, other = component(x, c, assignment), component(x, c + 1, assignment)
        require(out.shape == x.shape, f"{N} tokens: shape {tuple(out.shape)}, expected {tuple(x.shape)}")
        require_finite(f"{N} tokens", out)
        require(not torch.allclose(out, other, atol=1e-6), "what the clusters hold makes no difference to their tokens")


@check("feedback")
def signals_are_log_weights(case: Case) -> None:
    """A signal of zero changes nothing; finite signals and −∞ keep the result finite."""
    component = case.build()
    for N in lengths_for(case):
        x, assignment = inputs("feedback", 2, N), chunks(inputs("feedback", 2, N), None)
        c = assignment.pool(x)
        C = c.shape[1]
        with torch.no_grad():
            plain = component(x, c, assignment)
            assignment.signal_BC = torch.zeros(2, C)
            assert_close(f"{N} tokens, signal of zero", plain, component(x, c, assignment), atol=1e-6)
            assignment.signal_BC = 5 * inputs("feedback", 2, C, seed=4)[..., 0]
            require_finite(f"{N} tokens, with signals", component(x, c, assignment))
