"""Inputs of every slot and what a component makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from swarmformer.components.router.fixed_chunk import FixedChunk
from swarmformer.contracts import Assignment, Component
from swarmformer.registry import leading_of
from swarmformer.schema import options_of
from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.require import ViolationError

TENSOR_SLOTS = ("embedding", "local", "router", "cluster", "feedback", "norm", "pooling", "channel", "model")
MASKED_SLOTS = ("local", "router", "cluster", "feedback", "pooling", "channel", "model")

MOST_CLUSTERS = DIMS.seq_len // DIMS.cluster_size
USUAL = 12


def lengths_for(case: Case) -> list[int]:
    """Lengths to try; a published fault (``honours_mask`` is False) may refuse some, but not all."""
    lengths = [N for N in case.lengths if case.slot != "cluster" or N <= MOST_CLUSTERS]
    component = case.build()
    if getattr(component, "honours_mask", True):
        return lengths
    taken = [N for N in lengths if _takes(component, case, N)]
    if not taken:
        raise ViolationError(f"refuses every length of {', '.join(map(str, lengths))}")
    return taken


def _takes(component: Component, case: Case, N: int) -> bool:
    try:
        with torch.no_grad():
            apply(case.slot, component, inputs(case.slot, 1, N), None)
    except ValueError:
        return False
    return True


def usual_length(case: Case) -> int:
    """A length of medium size that the case takes; of a model the longest, so that every layer has several clusters."""
    taken = lengths_for(case)
    return USUAL if USUAL in taken and case.slot != "model" else taken[-1]


def inputs(slot: str, B: int, N: int, seed: int = 0) -> Tensor:
    """ids_BN for an embedding, a channel or a model, states of width D for everything else."""
    generator = torch.Generator().manual_seed(seed)
    if slot in ("embedding", "channel", "model"):
        return torch.randint(DIMS.vocab_size, (B, N), generator=generator)
    return torch.randn(B, N, DIMS.d_model, generator=generator)


def prefix_mask(lengths: list[int], N: int) -> Tensor:
    return torch.arange(N) < torch.tensor(lengths)[:, None]


def masks(B: int, N: int) -> Iterator[tuple[str, Tensor]]:
    """A spread of masks_BN: padded texts, texts with holes, one that starts late, texts without tokens."""
    generator = torch.Generator().manual_seed(N)
    yield "padded at the end", prefix_mask([max(1, N - row * (N // 2)) for row in range(B)], N)
    yield "with a text without tokens", prefix_mask([N, 0, *[1] * B][:B], N)
    for share in (0.3, 0.7):
        yield f"masked amid the text ({100 * share:.0f} % real)", torch.rand(B, N, generator=generator) < share
    yield "masked at the start", ~prefix_mask([N // 2] * B, N)


def apply(slot: str, component: Any, x: Tensor, mask: Tensor | None, norm: nn.Module | None = None) -> Tensor:
    """What a component makes of its input: a row per position, or one per text (see ``rows_per_text``).

    A router is judged by what comes back to the tokens: ``broadcast(pool(x))``.
    """
    if slot in ("embedding", "norm"):
        return component(x)
    if slot in ("local", "cluster"):
        return component(x, mask, norm)
    if slot in ("pooling", "channel", "model"):
        return component(x, mask)
    if slot == "router":
        assignment = component(x, mask, DIMS.cluster_size)
        return assignment.broadcast(assignment.pool(x))
    assignment = chunks(x, mask)
    return component(x, assignment.pool(x).tanh(), assignment, norm)


def chunks(x_BND: Tensor, mask_BN: Tensor | None) -> Assignment:
    """The assignment that a feedback is tried with."""
    return FixedChunk(DIMS)(x_BND, mask_BN, DIMS.cluster_size)


def rows_per_text(slot: str, component: Any) -> bool:
    """Whether the result has one row per text and not one per position."""
    return slot == "channel" or (slot in ("pooling", "model") and not component.per_token)


def width_of(slot: str) -> int:
    """The last dimension of the result."""
    return DIMS.num_classes if slot in ("channel", "model") else DIMS.d_model


def real_rows(slot: str, component: Any, out: Tensor, mask_BN: Tensor) -> Tensor:
    """The rows that pads must not touch."""
    return out if rows_per_text(slot, component) else out[mask_BN]


def dropouts_of(case: Case) -> list[str]:
    """Names of the options that are dropouts."""
    names = [option.name for option in options_of(case.cls, leading_of(case.slot, case.cls))]
    return [name for name in names if name == "dropout" or name.endswith("_dropout")]


def without_dropout(component: nn.Module) -> nn.Module:
    """The component with the dropouts of everything inside it turned off, those of a model's parts too."""
    for module in component.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            if name.endswith("dropout") and isinstance(value, float):
                setattr(module, name, 0.0)
    return component
