"""Operations of a model's matrix products, counted while it runs: the check of the closed forms.

torch's counter sees what reaches the dispatcher. Two shortcuts hide work from it: fused attention on
CPU, counted as zero, and the fused path of ``nn.MultiheadAttention`` and its encoder in evaluation.
Both are switched off while counting. It has no formula for products with a vector; they are added. Its
formula for the backward of a convolution forgets the groups; it is replaced.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from swarmformer.contracts import Model
from swarmformer.cost.probe import random_inputs
from swarmformer.modes import in_mode
from swarmformer.ops.attention import use_backend
from swarmformer.ops.switch import use_fast

Shape = Sequence[int]


def counted_flops(model: Model, B: int, N: int, *, fast: bool = False) -> int:
    """Count operations (multiply-adds × 2) of one forward pass of B texts of N real tokens.

    Runs the model once, in evaluation mode and without gradient, on the device that it is on. With ``fast``
    what fast paths save is left out.
    """
    ids_BN, mask_BN = _inputs(model, B, N)
    with counting(model, fast=fast) as counter:
        model(ids_BN, mask_BN)
    return counter.get_total_flops()


def counted_training_flops(model: Model, B: int, N: int, *, fast: bool = False) -> int:
    """Count operations (multiply-adds × 2) of forward and backward of one training step, losses of routers included.

    Runs the model once, in training mode, on the device that it is on. No gradient is kept, and the random
    state stays as it was; a buffer that a component changes while it trains is changed.
    """
    ids_BN, mask_BN = _inputs(model, B, N)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with torch.random.fork_rng(), counting(model, training=True, fast=fast) as counter:
        output = model.detailed(ids_BN, mask_BN)
        backward([output.logits_BK, *output.losses.values()], learned)
    return counter.get_total_flops()


def backward(outputs: Iterable[Tensor], wanted: Sequence[Tensor]) -> None:
    """Compute the gradients of the sum of all outputs for ``wanted`` and drop them; nothing where none has any."""
    reached = [output.sum() for output in outputs if output.requires_grad]
    if reached and wanted:
        torch.autograd.grad(torch.stack(reached).sum(), wanted, allow_unused=True)


def _inputs(model: Model, B: int, N: int) -> tuple[Tensor, Tensor]:
    return random_inputs(model.dims, B, N, device=next(model.parameters()).device, seed=0)


class _NoModules:
    """In the place of the counter's record of modules: totals are all that is asked for.

    The record hooks into the graph of whatever a module is given, and stumbles over views of parameters.
    """

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


@contextmanager
def counting(module: nn.Module, *, training: bool = False, fast: bool = False) -> Iterator[FlopCounterMode]:
    """Count what ``module`` computes inside: ``counter.get_total_flops()``.

    It is in evaluation mode and nothing has a gradient meanwhile; with ``training`` it is in training mode
    and gradients are recorded, so that a backward pass inside is counted too. ``fast`` takes the fast paths.
    """
    counter: Any = FlopCounterMode(display=False, custom_mapping=_FORMULAS)
    counter.mod_tracker = _NoModules()
    with in_mode(module, training=training), torch.set_grad_enabled(training), _nothing_fused(fast), counter:
        yield counter


@contextmanager
def _nothing_fused(fast: bool) -> Iterator[None]:
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        # Closed forms are of this back end, and of what fast paths save nothing of.
        with use_backend("sdpa"), sdpa_kernel(SDPBackend.MATH), use_fast(fast):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


def _matrix_vector(matrix: Shape, vector: Shape, *, out_shape: Shape) -> int:
    return 2 * matrix[0] * matrix[1]


def _add_matrix_vector(bias: Shape, matrix: Shape, vector: Shape, *, out_shape: Shape) -> int:
    return 2 * matrix[0] * matrix[1]


def _dot(left: Shape, right: Shape, *, out_shape: Shape) -> int:
    return 2 * left[0]


def _convolution_backward(
    grad: Shape,
    x: Shape,
    weight: Shape,
    bias: Shape | None,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    transposed: bool,
    output_padding: Shape,
    groups: int,
    wanted: Sequence[bool],
    *,
    out_shape: Any,
) -> int:
    """The gradients of input and weight, where wanted, take as many products as the convolution itself, each."""
    places = x if transposed else grad
    return sum(wanted[:2]) * 2 * places[0] * math.prod(places[2:]) * math.prod(weight)


_FORMULAS: dict[Any, Any] = {
    torch.ops.aten.mv: _matrix_vector,
    torch.ops.aten.addmv: _add_matrix_vector,
    torch.ops.aten.dot: _dot,
    torch.ops.aten.convolution_backward: _convolution_backward,
}
