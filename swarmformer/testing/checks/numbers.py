"""Shapes, dtypes and finite values at several precisions."""

from __future__ import annotations

import torch
from torch import Tensor

from swarmformer.testing.case import Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import (
    MASKED_SLOTS,
    TENSOR_SLOTS,
    apply,
    inputs,
    lengths_for,
    masks,
    prefix_mask,
    rows_per_text,
    usual_length,
    width_of,
)
from swarmformer.testing.require import NotApplicableError, ViolationError, assert_close, require, require_finite


@check(*TENSOR_SLOTS)
def right_shape_and_finite_in_fp32(case: Case) -> None:
    """At lengths from 1 to several windows, with and without masks."""
    _right_in(case, torch.float32)


@check(*TENSOR_SLOTS)
def right_shape_and_finite_in_bf16(case: Case) -> None:
    """With weights and inputs in bfloat16."""
    try:
        _right_in(case, torch.bfloat16)
    except (NotImplementedError, RuntimeError) as error:
        if _is_missing(error):
            hint = "compute in .float() (parameters too) and give back .to(x.dtype)"
            raise ViolationError(f"an operation does not exist in bf16: {error}; {hint}") from error
        raise


@check(*TENSOR_SLOTS)
def right_shape_and_finite_in_fp16(case: Case) -> None:
    """With weights and inputs in float16, where the operations exist."""
    try:
        _right_in(case, torch.float16)
    except (NotImplementedError, RuntimeError) as error:
        if _is_missing(error):
            raise NotApplicableError(f"an operation does not exist in fp16 on this device: {error}") from error
        raise


def _is_missing(error: Exception) -> bool:
    """Whether torch has no such operation of a half precision, in the words of its kernels, FFTs and solvers."""
    return any(words in str(error) for words in ("not implemented", "Unsupported dtype", "dtypes not supported"))


def _right_in(case: Case, dtype: torch.dtype) -> None:
    component = case.build().to(dtype)
    B, width = 3, width_of(case.slot)
    for N in lengths_for(case):
        x = _cast(inputs(case.slot, B, N), dtype)
        shape = (B, width) if rows_per_text(case.slot, component) else (B, N, width)
        for words, mask in (("without a mask", None), *masks(B, N)):
            with torch.no_grad():
                out = apply(case.slot, component, x, mask)
            place = f"{N} {'clusters' if case.slot == 'cluster' else 'tokens'}, {words}"
            require(tuple(out.shape) == shape, f"{place}: shape {tuple(out.shape)}, expected {shape}")
            require(out.dtype == dtype, f"{place}: {out.dtype} comes out where {dtype} goes in")
            require_finite(place, out)


def _cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype) if x.is_floating_point() else x


@check(*TENSOR_SLOTS)
def autocast_stays_near_fp32(case: Case) -> None:
    """Under bfloat16 autocast the result is that of fp32, but for rounding."""
    component, N = case.build(), usual_length(case)
    x, mask = inputs(case.slot, 2, N), prefix_mask([N, max(1, N // 2)], N)
    with torch.no_grad():
        exact = apply(case.slot, component, x, mask)
        with torch.autocast("cpu", torch.bfloat16):
            rough = apply(case.slot, component, x, mask)
    place = "autocast"
    if case.slot in MASKED_SLOTS and not rows_per_text(case.slot, component):  # pads are nobody's
        place, exact, rough = "autocast, real tokens", exact[mask], rough[mask]
    assert_close(place, exact, rough.float(), atol=0.01, rtol=0.02)


@check(*MASKED_SLOTS)
def a_mask_of_ones_is_no_mask(case: Case) -> None:
    """``None`` stands for "all tokens are real"."""
    component = case.build()
    for N in lengths_for(case):
        x = inputs(case.slot, 2, N)
        with torch.no_grad():
            plain = apply(case.slot, component, x, None)
            masked = apply(case.slot, component, x, torch.ones(2, N, dtype=torch.bool))
        assert_close(f"length {N}, mask of ones", plain, masked, atol=1e-5)
