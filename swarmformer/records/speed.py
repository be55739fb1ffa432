"""``figures.json`` of ``experiments.benchmark quick`` and ``full``: arms timed side by side, and their ratios; and what
a precision costs in accuracy, of ``experiments.speed.accuracy``."""

from __future__ import annotations

from typing import Any

from .base import Count, Document, Natural, NotNegative, Positive, Record, RunKey, Share
from .benchmark import Timing
from .costs import MachineLimits, Measurement


class SpeedRatio(Record):
    """How many times faster ``ours`` is than ``reference``, a text: the median over ``rounds``, and the 20th and 80th
    percentile; None of a grid's, which is a ratio of medians.

    It is to be ``least`` and was hoped to be ``aim``. growth: how many times more seconds a call of ``ours`` takes,
    which is to be ``least`` at most.
    """

    figure: str
    reference: str
    ours: str
    ratio: Positive
    ratio_p20: Positive | None
    ratio_p80: Positive | None
    rounds: Natural
    least: Positive
    aim: Positive
    growth: bool
    reached: bool


class TimedArm(Timing):
    """Calls on so many ``texts``, in ``seconds``; ``flops`` of a call as the arithmetic is written (multiply-adds × 2),
    and the share of the best rate of matrix products in its precision that they come to; None where nothing is claimed.
    """

    group: str
    arm: str
    texts: Natural
    precision: str
    flops: Count | None
    seconds: tuple[Positive, ...]
    share_of_limit: NotNegative | None = None


class UntimedArm(Record):
    """An arm that was asked for and is not there."""

    group: str
    arm: str
    reason: str


class CellsPerHour(Record):
    one_after_another: Positive
    pool: Positive


class GridSpeed(Record):
    """Seconds of every round for all ``cells`` of a grid: one after another with all ``threads``, and by a pool of
    ``workers``.

    same_metrics: whether those of a cell agree to the last digit both ways.
    """

    description: str
    cells: Natural
    threads: Natural
    workers: Natural
    one_after_another_s: tuple[Positive, ...]
    pool_s: tuple[Positive, ...]
    cells_per_hour: CellsPerHour
    same_metrics: bool


class SpeedBenchmark(Measurement):
    """``allocator``: how freed memory was given back. ``limits`` by precision. ``grid``: where one was timed."""

    machine: dict[str, Any]
    device: str
    threads: Natural
    allocator: str
    limits: dict[str, MachineLimits]
    figures: tuple[SpeedRatio, ...]
    arms: tuple[TimedArm, ...]
    grid: GridSpeed | None
    missing: tuple[UntimedArm, ...]


class WayToEvaluate(Record):
    """The test split of a run, evaluated in this ``way``: accuracy, how many of its ``answers`` are other ones than in
    plain fp32, and the greatest difference of a logit from there."""

    way: str
    accuracy: Share
    answers: Natural
    other_answers: Count
    greatest_difference: NotNegative
    seconds: Positive


class AccuracyByPrecision(Document):
    """``accuracy.json``: one run, evaluated in every way."""

    arm: str
    run_key: RunKey
    device: str
    code_revision: str
    rows: tuple[WayToEvaluate, ...]
