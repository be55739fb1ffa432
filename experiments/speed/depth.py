"""What ``quick`` and ``full`` measure: the groups of figures at their sizes, and how long each is timed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from experiments.speed import evaluation, routing, training, windowed
from experiments.speed.figure import Arm, Figure, Group
from swarmformer.data.encoded import EncodedData, load_encoded
from swarmformer.data.tasks.imdb import Imdb
from swarmformer.settings import DATA_VARIABLE


@dataclass(frozen=True)
class Depth:
    """Sizes of a measurement. ``limit`` 0 is all of IMDb; ``grid_…`` None the whole demo grid."""

    limit: int
    eval_texts: int
    base_batches: int
    small_batches: int
    padded_batches: int
    window_length: int
    min_repeats: int
    budget_s: float
    grid_arms: int | None
    grid_seeds: int | None
    grid_epochs: int | None
    grid_rounds: int


DEPTHS = {
    "quick": Depth(1_000, 128, 4, 6, 1, 2_048, 3, 1.0, 4, 1, 2, 1),
    "full": Depth(0, 1_024, 24, 24, 2, 8_192, 7, 60.0, None, None, None, 1),
}


def groups(depth: Depth) -> Iterator[tuple[str, Callable[[], Group]]]:
    """Title → what builds the group, one after another: their models need not be in memory together."""
    yield "Base in evaluation, fixed shape", evaluation.fixed_shape
    yield "Base in training, fixed shape", training.fixed_shape
    if os.environ.get(DATA_VARIABLE):
        yield "Base in evaluation, real texts", lambda: evaluation.real_texts(imdb(depth, 768), depth.eval_texts)
        yield "Base, an epoch", lambda: _epoch(training.BASE, depth, depth.base_batches)
        yield "Small, an epoch", lambda: _epoch(training.SMALL, depth, depth.small_batches)
    yield "windowed attention", lambda: window_group(depth.window_length)
    yield "routing among neighbours", routing_group


@cache
def imdb(depth: Depth, length: int) -> EncodedData:
    return load_encoded(
        Imdb(limit=depth.limit), tokenizer="bert", seq_len=length, validation_fraction=0.1, split_seed=0
    )


def _epoch(size: training.Size, depth: Depth, batches: int) -> Group:
    return training.epoch(size, imdb(depth, size.length), batches, depth.padded_batches)


def window_group(length: int, batch: int = 8) -> Group:
    """A dense mask takes one text only; its seconds count for one."""
    found = windowed.arms(batch=batch, length=length)
    arms = {name: Arm(call, found.texts[name]) for name, call in found.calls.items()}
    title = f"windowed attention, w 16, d 192, {batch} × {length}, forward and backward"
    figure = Figure(title, ("local-attention", "dense mask"), "attend", 1.0, 1.5)
    return Group(arms, (figure,), found.missing)


def routing_group(batch: int = 8) -> Group:
    """Seconds of the longer texts over those of texts a quarter as long; linear growth is 4."""
    short, long = routing.arms(batch=batch)
    arms = {f"{found.length} tokens": Arm(found.evaluate, batch) for found in (short, long)}
    title = f"router with 2 neighbours either side, {batch} × {long.length}: growth from {short.length}"
    figure = Figure(title, (f"{short.length} tokens",), f"{long.length} tokens", 4.4, 4.0, growth=True)
    return Group(arms, (figure,))
