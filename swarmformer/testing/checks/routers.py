"""Assignments: how the tokens of a layer meet their clusters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from swarmformer.contracts import Assignment
from swarmformer.seeding import seed_all
from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import inputs, lengths_for, masks, prefix_mask, usual_length
from swarmformer.testing.require import NotApplicableError, assert_close, require, require_finite

SIZES = (1, DIMS.cluster_size, 3 * DIMS.cluster_size)
"""Tokens per cluster; the first gives as many clusters as tokens, the last often a single one."""


@check("router")
def clusters_are_those_of_the_contract(case: Case) -> None:
    """C = ⌈N / size⌉; both ways have the right shapes at any width; the masks fit."""
    router = case.build()
    for N, size in _sizes(case, router):
        x, C = inputs("router", 2, N), -(-N // size)
        for words, mask in (("without a mask", None), *masks(2, N)):
            place = f"{N} tokens, {size} a cluster, {words}"
            assignment = router(x, mask, size)
            pooled = assignment.pool(x)
            require(isinstance(assignment, Assignment), f"{place}: {type(assignment).__name__} is no Assignment")
            _shape(f"{place}: pool", pooled, (2, C, DIMS.d_model))
            for width in (1, DIMS.d_model + 3):
                _shape(f"{place}: broadcast", assignment.broadcast(pooled.new_ones(2, C, width)), (2, N, width))
            _cluster_mask(place, assignment, pooled)


def _sizes(case: Case, router: Any) -> Iterator[tuple[int, int]]:
    """Lengths and sizes of clusters; a published fault takes multiples only, and a router may need to know
    the greatest number of clusters, which the sizes of the model tell it."""
    most = -(-DIMS.seq_len // DIMS.cluster_size)
    for N in lengths_for(case):
        for size in SIZES:
            if -(-N // size) <= most and (router.honours_mask or N % size == 0):
                yield N, size


def _shape(name: str, value: Tensor, expected: tuple[int, ...]) -> None:
    require(tuple(value.shape) == expected, f"{name} gives {tuple(value.shape)}, expected {expected}")


def _cluster_mask(place: str, assignment: Assignment, pooled: Tensor) -> None:
    mask = assignment.cluster_mask_BC
    if mask is None:
        return
    require(mask.dtype == torch.bool, f"{place}: cluster_mask_BC is {mask.dtype}, expected bool")
    _shape(f"{place}: cluster_mask_BC", mask, tuple(pooled.shape[:2]))
    require(bool((pooled[~mask] == 0).all()), f"{place}: a cluster without real tokens is not pooled to zero")


@check("router", of_mask=True)
def a_text_has_the_clusters_of_its_own_length(case: Case) -> None:
    """A padded text of n tokens has real clusters, and at most ⌈n / size⌉; one without tokens has none."""
    router, size = case.build(), DIMS.cluster_size
    for N in lengths_for(case):
        lengths = [N, 1, 0]
        mask = router(inputs("router", 3, N), prefix_mask(lengths, N), size).cluster_mask_BC
        require(mask is not None, "there is no cluster_mask_BC although tokens are masked")
        for n, row in zip(lengths, mask, strict=True):
            most = -(-n // size)
            require(not row[most:].any(), f"{n} of {N} tokens: clusters beyond the first {most} are not masked")
            require(n == 0 or bool(row.any()), f"{n} of {N} tokens: every cluster is masked")


@check("router")
def broadcast_is_linear(case: Case) -> None:
    """What is computed per cluster may be sent back instead of computed per token."""
    router, N = case.build(), usual_length(case)
    x = inputs("router", 2, N)
    for words, mask in masks(2, N):
        assignment = router(x, mask, DIMS.cluster_size)
        a, b = assignment.pool(x), assignment.pool(inputs("router", 2, N, seed=3))
        with torch.no_grad():
            together = assignment.broadcast(2 * a - 3 * b)
            apart = 2 * assignment.broadcast(a) - 3 * assignment.broadcast(b)
        assert_close(f"{words}: broadcast(2a − 3b)", apart, together, atol=1e-4)


@check("router")
def signals_are_stated_truly(case: Case) -> None:
    """``signals`` says whether there is a ``signal_BC``; it is a log weight: below infinity, not NaN, [B, C]."""
    router = case.build()
    for N in lengths_for(case):
        for words, mask in masks(2, N):
            signal = router(inputs("router", 2, N), mask, DIMS.cluster_size).signal_BC
            require(
                (signal is not None) == router.signals,
                f"signals = {router.signals}, but {'no' if signal is None else 'a'} signal_BC is given",
            )
            if signal is not None:
                _shape("signal_BC", signal, (2, -(-N // DIMS.cluster_size)))
                require(bool((signal < float("inf")).all()), f"{N} tokens, {words}: signal_BC is NaN or infinite")


@check("router")
def losses_and_telemetry_are_finite_scalars(case: Case) -> None:
    """In training, at every length and progress, also where a text has no tokens; the names do not change."""
    names: set[frozenset[str]] = set()
    router = case.build().train()
    for N in lengths_for(case):
        for done, (words, mask) in zip((0.0, 0.5, 1.0, 1.0, 1.0), masks(3, N), strict=True):
            router.set_progress(done)
            assignment = router(inputs("router", 3, N), mask, DIMS.cluster_size)
            values = {**assignment.losses, **assignment.telemetry}
            names.add(frozenset(values))
            for name, value in values.items():
                _shape(name, value, ())
                require_finite(f"{N} tokens, {words}: {name}", value)
    require(len(names) == 1, f"names of losses and telemetry change between steps: {sorted(map(sorted, names))}")


@check("router", of_mask=True)
def losses_leave_pads_out(case: Case) -> None:
    """With other pads, and the same noise, the losses and the clusters' signals are the same."""
    router, N = case.build().train(), usual_length(case)
    router.set_progress(1.0)
    x, other = inputs("router", 3, N), 10 * inputs("router", 3, N, seed=9)
    compared = 0
    for words, mask in masks(3, N):
        ours, theirs = (_seeded(router, v, mask) for v in (x, torch.where(mask.unsqueeze(-1), x, other)))
        for name, value in ours.items():
            assert_close(f"{words}: {name}", value, theirs[name], atol=1e-5)
            compared += 1
    if not compared:
        raise NotApplicableError("gives neither losses nor signals with these options")


def _seeded(router: Any, x_BND: Tensor, mask_BN: Tensor) -> dict[str, Tensor]:
    seed_all(5)
    assignment = router(x_BND, mask_BN, DIMS.cluster_size)
    signal = assignment.signal_BC
    signals = {} if signal is None else {"signal_BC": torch.nan_to_num(signal, nan=float("nan"), neginf=-1e9)}
    return {**assignment.losses, **signals}
