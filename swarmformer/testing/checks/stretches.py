"""Texts in stretches (``swarmformer.long``): what a component says of its reach, and parts put together again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from swarmformer.ops.running import RunningMean
from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import apply, inputs, lengths_for, masks
from swarmformer.testing.require import NotApplicableError, assert_close

SIZE = DIMS.cluster_size


@check("embedding", "local", "router", "feedback", "norm", of_mask=True)
def a_stretch_gives_what_the_whole_gives(case: Case) -> None:
    """Of whole clusters, with as many tokens on either side as ``reach`` says; or it says None."""
    component = case.build()
    if component.reach is None:
        raise NotApplicableError("reach is None: it needs the whole text")
    for N, x, words, mask in _texts(case, component):
        with torch.no_grad():
            whole = apply(case.slot, component, x, mask)
            for start in range(0, N, 2 * SIZE):
                end = min(N, start + 2 * SIZE)
                first = max(0, start - _whole_clusters(component.reach))
                last = min(N, end + _whole_clusters(component.reach))
                around = None if mask is None else mask[:, first:last]
                part = apply(case.slot, component, x[:, first:last], around)[:, start - first : end - first]
                assert_close(f"{N} tokens, {words}: {start} to {end} alone", whole[:, start:end], part, atol=1e-5)


def _whole_clusters(reach: int) -> int:
    """So many tokens, rounded up: a router's and a feedback's stretch is of whole clusters."""
    return -(-reach // SIZE) * SIZE


def _texts(case: Case, component: Any) -> Iterator[tuple[int, Tensor, str, Tensor | None]]:
    """Tokens, states or ids, and masks where the slot and the component have them."""
    for N in lengths_for(case):
        x = inputs(case.slot, 3, N)
        yield N, x, "all real", None
        if case.slot not in ("embedding", "norm") and component.honours_mask:
            yield from ((N, x, words, mask) for words, mask in masks(3, N))


@check("pooling", of_mask=True)
def a_text_is_the_mean_of_its_stretches(case: Case) -> None:
    """Each weighed by the exponential of ``log_weight``; or that is None."""
    component = case.build()
    if component.log_weight(inputs(case.slot, 1, 1)) is None:
        raise NotApplicableError("log_weight is None: it needs the whole text")
    for N, x, words, mask in _texts(case, component):
        running = RunningMean()
        with torch.no_grad():
            for start in range(0, N, SIZE):
                part, real = x[:, start : start + SIZE], None if mask is None else mask[:, start : start + SIZE]
                weight_BG = component.log_weight(part, real)
                running.add(component(part, real).unflatten(1, (weight_BG.shape[1], -1)), weight_BG)
            assert_close(f"{N} tokens, {words}", component(x, mask), running.mean(x.dtype).flatten(1), atol=1e-5)


@check("cluster")
def clusters_in_parts_are_those_of_the_whole(case: Case) -> None:
    """``stream`` gives what ``forward`` gives, whatever the size of its parts, with masks and signals."""
    component = case.build()
    for C, c, words, mask in _texts(case, component):
        signal = None if mask is None else inputs(case.slot, 3, C, seed=4)[..., 0]
        with torch.no_grad():
            whole = component(c, mask, None, signal)
            for size in (3, 4):
                parts = torch.cat(list(component.stream(c, mask, None, signal, size=size)), dim=1)
                assert_close(f"{C} clusters, {words}, in parts of {size}", whole, parts, atol=1e-5)
