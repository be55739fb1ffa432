"""What ``quick`` and ``full`` measure: the groups of figures at their sizes, and how long each is timed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from swarmformer.data.encoded import EncodedData, load_encoded
from swarmformer.data.tasks.imdb import Imdb
from swarmformer.settings import DATA_VARIABLE

from ..speed import evaluation, routing, training, windowed
from ..speed.figure import Arm, Figure, Group


@dataclass(frozen=True)
class Depth:
    """Sizes of a measurement. ``limit`` 0 is all of IMDb; ``grid_…`` None the whole demo grid.

    ``more``: arms beside those that the figures need.
    """

    limit: int
    eval_texts: int
    base_batches: int
    small_batches: int
    padded_batches: int
    window_length: int
    more: bool
    min_repeats: int
    budget_s: float
    grid_arms: int | None
    grid_seeds: int | None
    grid_epochs: int | None
    grid_rounds: int


DEPTHS = {
    "quick": Depth(1_000, 256, 4, 6, 1, 2_048, False, 2, 1.0, 4, 1, 2, 1),
    "full": Depth(0, 512, 6, 9, 1, 8_192, True, 3, 10.0, 4, 1, None, 1),
}


def imdb(depth: Depth, length: int) -> EncodedData | None:
    """The reviews, or None where the environment does not say where they are."""
    if not os.environ.get(DATA_VARIABLE):
        return None
    return load_encoded(
        Imdb(limit=depth.limit), tokenizer="bert", seq_len=length, validation_fraction=0.1, split_seed=0
    )


def evaluating(depth: Depth) -> Group:
    return evaluation.group(imdb(depth, evaluation.LENGTH), texts=depth.eval_texts, more=depth.more)


def training_step(depth: Depth) -> Group:
    return training.fixed_shape()


def base_epoch(depth: Depth) -> Group:
    return _epoch(training.BASE, depth, depth.base_batches)


def small_epoch(depth: Depth) -> Group:
    return _epoch(training.SMALL, depth, depth.small_batches)


def _epoch(size: training.Size, depth: Depth, batches: int) -> Group:
    return training.epoch(size, imdb(depth, size.length), batches, depth.padded_batches, depth.more)


def windows(depth: Depth, batch: int = 8) -> Group:
    """A dense mask takes one text only; its seconds count for one."""
    found = windowed.arms(batch=batch, length=depth.window_length)
    arms = {name: Arm(call, found.texts[name]) for name, call in found.calls.items()}
    title = f"windowed attention, w 16, d 192, {batch} × {depth.window_length}, forward and backward"
    figure = Figure(title, ("local-attention", "dense mask"), "attend", 1.0, 1.5)
    return Group(arms, (figure,), found.missing)


def neighbours(depth: Depth, batch: int = 8) -> Group:
    """Seconds of the longer texts over those of texts a quarter as long; linear growth is 4."""
    short, long = routing.arms(batch=batch)
    arms = {f"{found.length} tokens": Arm(found.evaluate, batch) for found in (short, long)}
    title = f"router with 2 neighbours either side, {batch} × {long.length}: growth from {short.length}"
    figure = Figure(title, (f"{short.length} tokens",), f"{long.length} tokens", 4.4, 4.0, growth=True)
    return Group(arms, (figure,))


GROUPS: dict[str, Callable[[Depth], Group]] = {
    "Base, evaluation": evaluating,
    "Base, training step": training_step,
    "Base, epoch": base_epoch,
    "Small, epoch": small_epoch,
    "windowed attention": windows,
    "routing": neighbours,
}
"""Each is built and timed in a process of its own."""
