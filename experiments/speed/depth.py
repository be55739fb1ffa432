"""What ``quick`` and ``full`` measure: the groups of figures at their sizes, and how long each is timed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from swarmformer.data.encoded import EncodedData
from swarmformer.data.encoding import load_encoded
from swarmformer.data.tasks.imdb import Imdb
from swarmformer.settings import DATA_VARIABLE

from ..speed import evaluation, narrow, prediction, routing, training, windowed
from ..speed.figure import Group, slow_bf16


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


def _epoch(size: training.Size, depth: Depth, batches: int) -> Group:
    both = depth.more or bool(slow_bf16())
    return training.epoch(size, imdb(depth, size.length), batches, depth.padded_batches, both)


GROUPS: dict[str, Callable[[Depth], Group]] = {
    "Base, evaluation": lambda depth: evaluation.group(
        imdb(depth, evaluation.LENGTH), texts=depth.eval_texts, more=depth.more
    ),
    "Base, prediction": lambda depth: prediction.group(prediction.BASE, depth.limit, depth.eval_texts // 2),
    "Small, prediction": lambda depth: prediction.group(prediction.SMALL, depth.limit, depth.eval_texts),
    "Base, training step": lambda depth: training.fixed_shape(),
    "Base, epoch": lambda depth: _epoch(training.BASE, depth, depth.base_batches),
    "Small, epoch": lambda depth: _epoch(training.SMALL, depth, depth.small_batches),
    "windowed attention": lambda depth: windowed.group(length=depth.window_length),
    "routing": lambda depth: routing.group(),
    "small width": lambda depth: narrow.group((64, 128) if depth.more else (64,)),
}
"""Each is built and timed in a process of its own."""
