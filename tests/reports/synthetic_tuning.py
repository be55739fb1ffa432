"""Synthetic grids that were tuned, written as the experiments write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swarmformer.records import (
    PLAN,
    RULE,
    Plan,
    PlannedCell,
    PlannedTrial,
    Registration,
    TrialScore,
    Tried,
    TunedArm,
    Tuning,
    TuningPlan,
    choose,
    save,
    save_tuning,
)
from tests.reports import synthetic_runs as runs

RATES = (0.001, 0.002, 0.004)
Scores = Mapping[str, Sequence[float | None]]
SCORES: Scores = {"base": (0.6, 0.8, 0.7), "x": (0.5, 0.6, 0.9), "y": (None, 0.4, 0.3)}
SEED = 9


def trial_key(arm: str, rate: float) -> str:
    return runs.run_key(f"{arm} at {rate}")


def tried(arm: str, scores: Sequence[float | None]) -> tuple[Tried, ...]:
    """One seed for each rate; None is a trial that failed."""
    return tuple(
        Tried(values={"train.lr": rate}, trials=(TrialScore(
            cell=f"{arm}-{rate}", seed=SEED, run_key=trial_key(arm, rate), score=score,
            loss=None if score is None else 1 - score, reason="" if score is not None else "the loss became nan",
        ),))
        for rate, score in zip(RATES, scores, strict=True)
    )  # fmt: skip


def counting(arm: str) -> tuple[PlannedCell, ...]:
    return tuple(PlannedCell(cell=runs.cell_name(arm, seed), arm=arm, seed=seed, run_key=runs.run_key(arm))
                 for seed in (0, 1))  # fmt: skip


def tuning(scores: Scores = SCORES, **changes: Any) -> Tuning:
    arms = []
    for arm, each in scores.items():
        found = tried(arm, each)
        place, tied = choose(found)
        arms.append(TunedArm(arm=arm, tried=found, chosen=place, tied=tied, cells=counting(arm)))
    whole = {"grid": "demo", "metric": "accuracy", "rule": RULE.format(metric="accuracy"), "seeds": (SEED,),
             "options": {"train.lr": RATES}, "arms": tuple(arms), **changes}  # fmt: skip
    return Tuning(**whole)


def plan(scores: Scores = SCORES, epochs: int | None = None) -> Plan:
    """As it is written before anything is chosen; ``epochs`` of a trial."""
    made = Plan.model_validate_json(json.dumps(runs.plan(list(scores), [0, 1])))
    trials = tuple(PlannedTrial(cell=f"{arm}-{rate}", arm=arm, seed=SEED, run_key=trial_key(arm, rate),
                                values={"train.lr": rate}) for arm in scores for rate in RATES)  # fmt: skip
    return made.model_copy(update={
        "arms": tuple(arm.model_copy(update={"run_key": ""}) for arm in made.arms),
        "cells": tuple(cell.model_copy(update={"cell": f"{cell.arm}-s{cell.seed}", "run_key": ""})
                       for cell in made.cells),
        "tuning": TuningPlan(options={"train.lr": RATES}, seeds=(SEED,), metric="accuracy", trials=trials,
                               epochs=epochs),
    }).hashed()  # fmt: skip


def write_tuned(
    grid: Path, scores: Scores = SCORES, *, chosen: bool = True, epochs: int | None = None, **changes: Any
) -> Path:
    """A registered grid whose arms were tuned, and whose runs are all completed."""
    grid.mkdir(parents=True)
    planned = plan(scores, epochs)
    save(grid / PLAN, planned)
    save(grid / "registered.json", Registration(hash=planned.hash, registered_at="2026-01-01T00:00:00+00:00",
                                                code_revision="abc", plan=planned))  # fmt: skip
    if chosen:
        save_tuning(grid, tuning(scores, **changes))
        for arm in scores:
            for seed in (0, 1):
                runs.write_cell(grid, runs.result(arm, seed, 0.5, started_at="2026-01-02T00:00:00+00:00"))
    return grid
