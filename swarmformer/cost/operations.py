"""Operations of a model's matrix products, counted while it runs: the check of the closed forms.

Convolutions and Fourier transforms are products too; elementwise work, sums along a text included, is not counted.
torch's counter sees what reaches the dispatcher. Three shortcuts hide work from it, counted as zero: fused attention
on CPU, the fused path of ``nn.MultiheadAttention`` and its encoder in evaluation, and an LSTM on CPU in one call.
They are switched off while counting. It has no formula for products with a vector and for Fourier transforms; they
are added. Its formula for the backward of a convolution forgets the groups; it is replaced. A product of complex
numbers counts as the four products of real ones that it is; torch's formulas know shapes alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry, shape_wrapper

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
    devices = [ids_BN.device] if ids_BN.is_cuda else []  # unless they are named, CUDA starts on every card
    with torch.random.fork_rng(devices), counting(model, training=True, fast=fast) as counter:
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
    one_dnn: Any = torch.backends.mkldnn
    fast_path, fused = torch.backends.mha.get_fastpath_enabled(), one_dnn.enabled
    torch.backends.mha.set_fastpath_enabled(False)
    one_dnn.enabled = False
    try:
        # Closed forms are of this back end, and of what fast paths save nothing of.
        with use_backend("sdpa"), sdpa_kernel(SDPBackend.MATH), use_fast(fast):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        one_dnn.enabled = fused


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


def _complex_fourier(x: Shape, dims: Shape, *more: Any, out_shape: Shape) -> int:
    """5 N log₂ N for each transform of N complex numbers: the radix-2 count by which FFTs are commonly compared.

    Half of it where one side is real, as FFTW's benchmark has it (Frigo & Johnson 2005, The Design and Implementation
    of FFTW3); N is all that is transformed together, of several dimensions their product.
    """
    return _fourier(5.0, x, dims)


def _real_fourier(x: Shape, dims: Shape, *more: Any, out_shape: Shape) -> int:
    return _fourier(2.5, x, dims)


def _inverse_real_fourier(x: Shape, dims: Shape, *more: Any, out_shape: Shape) -> int:
    return _fourier(2.5, out_shape, dims)


def _fourier(each: float, shape: Shape, dims: Shape) -> int:
    return round(each * math.prod(shape) * math.log2(math.prod(shape[dim] for dim in dims)))


def _of_any_numbers(formula: Callable[..., int]) -> Callable[..., int]:
    """``formula``, which is given tensors, four times where these are complex."""

    def counted(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        of_complex = any(isinstance(value, Tensor) and value.is_complex() for value in args)
        return (4 if of_complex else 1) * formula(*args, out_val=out_val, **kwargs)

    counted._get_raw = True  # type: ignore[attr-defined]  # how FlopCounterMode knows that it takes tensors
    return counted


aten = torch.ops.aten
_PRODUCTS = {aten.mv: _matrix_vector, aten.addmv: _add_matrix_vector, aten.dot: _dot}
_FORMULAS: dict[Any, Any] = {
    **{of: _of_any_numbers(shape_wrapper(formula)) for of, formula in _PRODUCTS.items()},
    **{of: _of_any_numbers(flop_registry[of]) for of in (aten.mm, aten.addmm, aten.bmm, aten.baddbmm)},
    aten._fft_c2c: _complex_fourier,
    aten._fft_r2c: _real_fourier,
    aten._fft_c2r: _inverse_real_fourier,
    aten.convolution_backward: _convolution_backward,
}


SCANS = ("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin")
SORTS = ("sort", "topk", "kthvalue", "median", "nanmedian", "mode")
PRODUCTS = ("trilinear", "cdist_forward", "addbmm", "vdot")
SOLVERS = (
    "linalg_solve_ex", "linalg_inv_ex", "linalg_svd", "linalg_eigh", "linalg_eig", "linalg_eigvals", "linalg_qr",
    "linalg_cholesky_ex", "linalg_lu_factor_ex", "linalg_lu_solve", "linalg_lstsq", "linalg_matrix_exp",
    "linalg_solve_triangular", "triangular_solve", "cholesky_solve",
)  # fmt: skip
UNCOUNTED = frozenset((*SCANS, *SORTS, *PRODUCTS, *SOLVERS))
"""torch's operations, without the underscores around their names, that are neither counted nor elementwise."""
TORCH = ("aten", "prim", "prims", "higher_order")
"""Namespaces of its own operations."""


class LeftOut(TorchDispatchMode):
    """Names what runs meanwhile and is not counted though it may take most of the time: ``names``, each once.

    It is ``UNCOUNTED`` of floating-point numbers, and every operation that is not torch's own.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        whole_name = function.name().partition(".")[0]
        name = whole_name.rpartition("::")[2].strip("_")
        if function.namespace not in TORCH:
            self.names[whole_name] = None
        elif name in UNCOUNTED and any(isinstance(value, Tensor) and not _is_whole(value) for value in args):
            self.names[name] = None
        return function(*args, **(kwargs or {}))


def _is_whole(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex())
