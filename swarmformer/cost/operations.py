"""Operations of a model's matrix products, counted while it runs: the check of the closed forms.

torch's counter sees what reaches the dispatcher. Two shortcuts hide work from it: fused attention on
CPU, counted as zero, and the fused path of ``nn.MultiheadAttention`` and its encoder in evaluation.
Both are switched off while counting. It has no formula for products with a vector; they are added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from swarmformer.attention import use_backend
from swarmformer.cost.probe import evaluating, random_inputs
from swarmformer.fast import use_fast
from swarmformer.interfaces import Model

Shape = Sequence[int]


def counted_flops(model: Model, B: int, N: int) -> int:
    """Count operations (multiply-adds × 2) of one forward pass of B texts of N real tokens.

    Runs the model once, in evaluation mode and without gradient, on the device that it is on.
    """
    device = next(model.parameters()).device
    ids_BN, mask_BN = random_inputs(model.dims, B, N, device=device, seed=0)
    with counting(model) as counter:
        model(ids_BN, mask_BN)
    return counter.get_total_flops()


@contextmanager
def counting(module: nn.Module) -> Iterator[FlopCounterMode]:
    """Count what ``module`` computes inside: ``counter.get_total_flops()``.

    It is in evaluation mode and its parameters ask for no gradient meanwhile: torch's counter hooks into the
    graph of whatever a module is given, and stumbles over a view of a parameter that has none.
    """
    counter = FlopCounterMode(display=False, custom_mapping=_WITH_VECTORS)
    with evaluating(module), _frozen(module), torch.no_grad(), _nothing_fused(), counter:
        yield counter


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in learned:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad_()


@contextmanager
def _nothing_fused() -> Iterator[None]:
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        # Closed forms are of this back end, and of what fast paths save nothing of.
        with use_backend("sdpa"), sdpa_kernel(SDPBackend.MATH), use_fast(False):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


def _matrix_vector(matrix: Shape, vector: Shape, *, out_shape: Shape) -> int:
    return 2 * matrix[0] * matrix[1]


def _add_matrix_vector(bias: Shape, matrix: Shape, vector: Shape, *, out_shape: Shape) -> int:
    return 2 * matrix[0] * matrix[1]


def _dot(left: Shape, right: Shape, *, out_shape: Shape) -> int:
    return 2 * left[0]


_WITH_VECTORS: dict[Any, Any] = {
    torch.ops.aten.mv: _matrix_vector,
    torch.ops.aten.addmv: _add_matrix_vector,
    torch.ops.aten.dot: _dot,
}
