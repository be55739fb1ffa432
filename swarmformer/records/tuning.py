"""``trial.json``: one trial of an arm's options; ``tuning.json``: all that was tried, and what was chosen for each arm.

A trial has seeds of its own and is judged by the validation split alone: it never sees the test split, and is no
evidence. The choice is a function of the finished trials and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .base import Count, Document, Positive, Record, RunKey, Share, digest_of, load, save
from .names import TUNING
from .plan import Plan, PlannedCell, TrialMetric, Value
from .result_parts import Metrics
from .run import Trained

TRIALS = "tuning"
"""Folder of a grid in which its trials lie."""
RULE = (
    "highest mean over the tuning seeds of {metric} on validation; then the lowest mean validation loss; then "
    "the first in the order of the grid file; a trial that failed is the worst"
)


class Trial(Trained):
    """``trial.json``: the mark of completion of a trial. There is no metric of the test split to write."""

    validation: Metrics


class TrialScore(Record):
    """A trial as it was judged. ``cell`` is its folder's name; ``reason`` why it failed: then it has no score."""

    cell: str
    seed: int
    run_key: RunKey
    score: Share | None
    loss: float | None = None
    seconds: Positive | None = None
    reason: str = ""


class Tried(Record):
    """Values of the tuned options, and their trials: one for each tuning seed."""

    values: dict[str, Value]
    trials: tuple[TrialScore, ...]

    @property
    def score(self) -> float | None:
        """Mean over the seeds; None where a trial failed, which is worse than any score."""
        scores = [trial.score for trial in self.trials if trial.score is not None]
        return sum(scores) / len(scores) if scores and len(scores) == len(self.trials) else None

    @property
    def loss(self) -> float:
        """Mean over the seeds; infinite where one has none."""
        losses = [float("inf") if trial.loss is None else trial.loss for trial in self.trials]
        return sum(losses) / len(losses) if losses else float("inf")

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(trial.reason for trial in self.trials if trial.reason)


class TunedArm(Record):
    """``chosen``: place in ``tried``, None where every trial failed; ``tied``: other places with the same score.
    ``cells``: the runs that count, with the chosen values."""

    arm: str
    tried: tuple[Tried, ...]
    chosen: Count | None
    tied: tuple[Count, ...] = ()
    cells: tuple[PlannedCell, ...] = ()

    @property
    def values(self) -> dict[str, Value]:
        """The chosen ones; none where every trial failed."""
        return {} if self.chosen is None else self.tried[self.chosen].values


class Tuning(Document):
    """``tuning.json``: written once, when every trial of every arm is finished or has failed."""

    grid: str
    metric: TrialMetric
    rule: str
    options: dict[str, tuple[Value, ...]]
    seeds: tuple[int, ...]
    arms: tuple[TunedArm, ...]

    @classmethod
    def checksum_of(cls, raw: dict[str, Any]) -> str:
        """Schema 1 had a checksum already, of another text."""
        if raw.get("schema") != 1:
            return super().checksum_of(raw)
        content = {key: value for key, value in raw.items() if key != "schema"}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return digest_of(text.encode("utf-8", "surrogatepass"))


def choose(tried: Sequence[Tried]) -> tuple[int | None, tuple[int, ...]]:
    """The place of the best, and the other places that have the same score; see ``RULE``."""
    scores = [one.score for one in tried]
    best = max((score for score in scores if score is not None), default=None)
    if best is None:
        return None, ()
    equal = [place for place, score in enumerate(scores) if score == best]
    chosen = min(equal, key=lambda place: (tried[place].loss, place))
    return chosen, tuple(place for place in equal if place != chosen)


def chosen_plan(plan: Plan, tuning: Tuning | None) -> Plan:
    """The plan with the cells and run keys that the choice gives; cells of arms without a choice stay open."""
    arms = {arm.arm: arm for arm in tuning.arms} if tuning else {}
    cells = {(cell.arm, cell.seed): cell for arm in arms.values() for cell in arm.cells}
    keys = {cell.arm: cell.run_key for cell in cells.values()}
    return plan.model_copy(update={
        "arms": tuple(arm if arm.run_key else arm.model_copy(update={"run_key": keys.get(arm.arm, "")})
                      for arm in plan.arms),
        "cells": tuple(cell if cell.run_key else cells.get((cell.arm, cell.seed), cell) for cell in plan.cells),
    })  # fmt: skip


def is_of_plan(tuning: Tuning, plan: Plan) -> bool:
    """Whether the trials are those that a plan asks for: the same arms, values, seeds and configurations, no more."""
    asked = plan.tuning
    if asked is None or (asked.options, asked.seeds, asked.metric) != (tuning.options, tuning.seeds, tuning.metric):
        return False
    planned = {(t.arm, t.seed, t.run_key, _words(t.values)) for t in asked.trials}
    found = {(arm.arm, t.seed, t.run_key, _words(tried.values))
             for arm in tuning.arms for tried in arm.tried for t in tried.trials}  # fmt: skip
    return planned == found


def _words(values: dict[str, Value]) -> str:
    return json.dumps(values, sort_keys=True)


def save_tuning(grid: Path, tuning: Tuning) -> None:
    """Write it atomically into a grid's folder."""
    save(grid / TUNING, tuning)


def read_tuning(grid: Path) -> Tuning | None:
    """The choice in a grid's folder; None where there is none yet.

    Raises:
        UnreadableFileError: damaged, or not what was written.
    """
    path = grid / TUNING
    return load(path, Tuning) if path.exists() else None
