"""Helpers for components with attention heads."""

from __future__ import annotations

from swarmformer.errors import SpecError


def check_heads(component: str, heads: int, d_model: int, path: tuple[str, ...] = ("heads",)) -> None:
    """Raise SpecError unless ``heads`` divides ``d_model``; names the head counts that do, and ``path`` as the key."""
    if heads < 1 or d_model % heads:
        fit = [str(h) for h in range(1, d_model + 1) if d_model % h == 0 and h <= 16]
        raise SpecError(
            f"{component}: heads = {heads} does not divide d_model = {d_model}; use one of {', '.join(fit)}",
            path=path,
        )
