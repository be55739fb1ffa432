"""Every registered component with its defaults, and with every other value of its choices.

Nothing here knows a component by name: what ships, or is installed, is tested.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from swarmformer import registry
from swarmformer.components.router.fixed_chunk import FixedChunk
from swarmformer.interfaces import Component, Dims, Pooling

DIMS = Dims(vocab_size=40, d_model=16, num_layers=3, cluster_size=4, seq_len=24, num_classes=3)
TENSOR_SLOTS = ("embedding", "local", "router", "cluster", "feedback", "norm", "pooling")


@dataclass(frozen=True)
class Case:
    """A component and the options that differ from its defaults."""

    slot: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        changed = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.slot}.{self.name}" + (f"[{changed}]" if changed else "")

    @property
    def cls(self) -> Any:
        return registry.get(self.slot, self.name)

    def build(self, seed: int = 0, **more: Any) -> Any:
        """The component in eval mode, its parameters moved away from tame initial values."""
        torch.manual_seed(seed)
        component = self.cls(DIMS, **{**self.options, **more}).eval()
        with torch.no_grad():
            for parameter in component.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        return component


def cases(*slots: str) -> list[Case]:
    """Cases of some slots, one with defaults and one for each other value of a bool or Literal option."""
    return [case for entry in registry.list_components() if entry.slot in slots for case in _of(entry)]


def _of(entry: registry.Entry) -> Iterator[Case]:
    yield Case(entry.slot, entry.name)
    hints = typing.get_type_hints(entry.load().__init__)  # type: ignore[misc]
    for option in entry.options:
        hint = hints[option.name]
        choices = (False, True) if hint is bool else typing.get_args(hint) if _is_literal(hint) else ()
        for value in choices:
            if value != option.default:
                yield Case(entry.slot, entry.name, {option.name: value})


def _is_literal(hint: Any) -> bool:
    return typing.get_origin(hint) is typing.Literal


def inputs(slot: str, B: int, N: int, seed: int = 0) -> Tensor:
    """ids_BN for an embedding, states of width D for everything else."""
    generator = torch.Generator().manual_seed(seed)
    if slot == "embedding":
        return torch.randint(DIMS.vocab_size, (B, N), generator=generator)
    return torch.randn(B, N, DIMS.d_model, generator=generator)


def prefix_mask(lengths: list[int], N: int) -> Tensor:
    return torch.arange(N) < torch.tensor(lengths)[:, None]


def apply(component: Component, x: Tensor, mask_BN: Tensor | None, norm: nn.Module | None = None) -> Tensor:
    """What a component makes of its input: one row per position, or one per text for a pooling.

    A router is judged by what comes back to the tokens: ``broadcast(pool(x))``.
    """
    slot = component.slot
    if slot in ("embedding", "norm"):
        return component(x)
    if slot in ("local", "cluster"):
        return component(x, mask_BN, norm)
    if slot == "pooling":
        return component(x, mask_BN)
    if slot == "router":
        assignment = component(x, mask_BN, DIMS.cluster_size)
        return assignment.broadcast(assignment.pool(x))
    assert slot == "feedback"
    assignment = FixedChunk(DIMS)(x, mask_BN, DIMS.cluster_size)
    return component(x, assignment.pool(x).tanh(), assignment, norm)


def pools(component: Component) -> bool:
    """Whether the result has one row per text and not one per position."""
    return isinstance(component, Pooling) and not component.per_token
