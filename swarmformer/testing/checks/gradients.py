"""What training needs: gradients that reach everything and stay finite."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import (
    MASKED_SLOTS,
    TENSOR_SLOTS,
    apply,
    inputs,
    lengths_for,
    masks,
    prefix_mask,
    usual_length,
)
from swarmformer.testing.require import NotApplicableError, ViolationError, require, require_finite


@check(*TENSOR_SLOTS)
def a_gradient_reaches_every_parameter(case: Case) -> None:
    """Every parameter that requires a gradient, and the input, get one that is finite and not zero."""
    component, N = case.build().train(), usual_length(case)
    x = inputs(case.slot, 3, N)
    learned = _learned(component)
    if x.is_floating_point():
        learned["input"] = x.requires_grad_()
    if not learned:
        raise NotApplicableError("nothing to learn, and the input is not continuous")
    torch.autograd.backward(_objective(case, component, x, prefix_mask([N, max(1, N // 2), 1], N)))
    for name, tensor in learned.items():
        if tensor.grad is None:
            raise ViolationError(f"{name} gets no gradient")
        require_finite(f"the gradient of {name}", tensor.grad)
        require(bool(tensor.grad.abs().max() > 0), f"{name} gets a zero gradient")


def _learned(component: nn.Module) -> dict[str, Tensor]:
    return {name: parameter for name, parameter in component.named_parameters() if parameter.requires_grad}


def _objective(case: Case, component: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """A random projection of the result, so that no symmetry cancels; of a router's signal and losses too."""
    parts = [apply(case.slot, component, x, mask), *_beside(case.slot, component, x, mask)]
    generator = torch.Generator().manual_seed(1)
    return torch.stack([(part * torch.randn(part.shape, generator=generator)).sum() for part in parts]).sum()


def _beside(slot: str, component: Any, x: Tensor, mask: Tensor) -> Iterable[Tensor]:
    if slot == "model":
        yield from component.detailed(x, mask).losses.values()
    if slot == "router":
        assignment = component(x, mask, DIMS.cluster_size)
        if assignment.signal_BC is not None:
            yield assignment.signal_BC.masked_fill(~torch.isfinite(assignment.signal_BC), 0.0)
        yield from assignment.losses.values()


@check(*MASKED_SLOTS)
def texts_without_tokens_stay_finite(case: Case) -> None:
    """Forward and backward, at every length, beside other texts and alone."""
    component = case.build().train()
    for N in lengths_for(case):
        for lengths in ([0, N], [0], [0, 0]):
            component.zero_grad()
            x = inputs(case.slot, len(lengths), N)
            watched = _learned(component)
            if x.is_floating_point():
                watched["input"] = x.requires_grad_()
            out = apply(case.slot, component, x, prefix_mask(lengths, N))
            require_finite(f"texts of {lengths} of {N} tokens", out)
            if out.requires_grad:
                out.sum().backward()
            for name, tensor in watched.items():
                if tensor.grad is not None:
                    require_finite(f"texts of {lengths} of {N} tokens: the gradient of {name}", tensor.grad)


@check(*MASKED_SLOTS)
def gradients_are_finite_under_every_mask(case: Case) -> None:
    """Masked at the end, at the start or amid the text, in training."""
    component, N = case.build().train(), usual_length(case)
    if not _learned(component):
        raise NotApplicableError("nothing to learn")
    for words, mask in masks(3, N):
        component.zero_grad()
        out = apply(case.slot, component, inputs(case.slot, 3, N), mask)
        if out.requires_grad:
            out.square().sum().backward()
        for name, parameter in _learned(component).items():
            if parameter.grad is not None:
                require_finite(f"{words}: the gradient of {name}", parameter.grad)
