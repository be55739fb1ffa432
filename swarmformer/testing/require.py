"""What a check says: a broken promise, or that it does not apply."""

from __future__ import annotations

import torch
from torch import Tensor


class ViolationError(AssertionError):
    """A component does not keep a promise of its contract."""


class MalformedError(ViolationError):
    """What comes out is of no use at all: of another shape, or not finite."""


class NotApplicableError(Exception):
    """The check has nothing to say about this component; the message is the reason."""


def require(kept: bool, otherwise: str) -> None:
    """Raise ViolationError with the words ``otherwise`` unless ``kept``; works under ``python -O`` too."""
    if not kept:
        raise ViolationError(otherwise)


def assert_close(
    name: str, reference: Tensor, value: Tensor, atol: float, rtol: float = 0.0, hint: str = ""
) -> None:
    """Raise ViolationError with the tensor's name and the greatest difference; NaN and other shapes are refused.

    Args:
        hint: what to do about a difference.
    """
    if reference.shape != value.shape:
        raise MalformedError(f"{name}: shape {tuple(value.shape)}, expected {tuple(reference.shape)}")
    require_finite(name, value)
    gap = (reference - value).detach().abs()
    excess = gap - rtol * reference.detach().abs()
    near = excess.numel() == 0 or bool(excess.max() <= atol)
    allowed = f"{atol:g} + {rtol:g}·|reference|" if rtol else f"{atol:g}"
    remedy = f"; {hint}" if hint else ""
    require(near, f"{name}: differs by up to {_greatest(gap):.3g} (allowed {allowed}){remedy}")


def require_finite(name: str, value: Tensor) -> None:
    """Raise MalformedError where a value is NaN or infinite."""
    if broken := int((~torch.isfinite(value)).sum()):
        raise MalformedError(f"{name}: {broken} of {value.numel()} values are not finite")


def _greatest(gap: Tensor) -> float:
    return float(gap.max()) if gap.numel() else 0.0
