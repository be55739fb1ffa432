"""The choice among a grid's trials: a function of the finished ones alone, kept as tuning.json."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from swarmformer import records
from swarmformer.records import (
    RULE,
    TRIAL,
    TUNING,
    Metrics,
    Trial,
    TrialMetric,
    TrialScore,
    Tried,
    TunedArm,
    Tuning,
)

from .cells import status_of
from .plan import Cell, Plan
from .planned import values_said
from .status import Status

logger = logging.getLogger("swarmformer.grid")
SETTLED = (Status.COMPLETED, Status.FAILED)
ByArm = Mapping[str, tuple[Tried, ...]]


def choice_of(plan: Plan, folder: Path) -> Tuning | None:
    """The choice for this plan, from its tuning.json or else from its trials; None as long as one is not finished.

    Raises:
        UnreadableFileError: a tuning.json or a trial.json that is damaged; it is left alone.
    """
    before = records.read_tuning(folder)
    if before is not None and records.is_of_plan(before, plan.record(folder)):
        return _made(plan, folder, {arm.arm: arm.tried for arm in before.arms})
    tried = _tried(plan, folder)
    return None if tried is None else _made(plan, folder, tried)


def settle(plan: Plan, folder: Path) -> Tuning | None:
    """The choice, written where it is not there yet; another one that is there is kept beside it."""
    with FileLock(folder / "plan.lock"):
        before, tuning = records.read_tuning(folder), choice_of(plan, folder)
        if tuning is None or before == tuning:
            return tuning
        if before is not None:
            logger.warning("the grid file changed since its values were chosen; the former choice is kept as %s",
                           set_aside(folder / TUNING).name)  # fmt: skip
        records.save_tuning(folder, tuning)
    for arm in tuning.arms:
        nothing = "no trial finished: nothing is chosen, and it does not run"
        logger.info("%s: %s", arm.arm, values_said(arm.values) or nothing)
    return tuning


def chosen(plan: Plan, folder: Path) -> Plan:
    """The plan with what is chosen so far; nothing is written."""
    tuning = choice_of(plan, folder) if plan.grid.tune is not None else None
    return plan if tuning is None else plan.with_choice(tuning)


def validation_score(validation: Metrics, metric: TrialMetric) -> float:
    """What trials, and the models of an arm's seeds, are chosen by: higher is better, of running text too."""
    score: float = getattr(validation, metric)
    return score


def set_aside(path: Path) -> Path:
    """Move a file to a free name beside its own: ``failure.json`` → ``failure-1.json``; the new path."""
    number = 1
    while (free := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    return path.replace(free)


def _tried(plan: Plan, folder: Path) -> ByArm | None:
    """What every arm's trials gave, in the order of the grid file; None where one is neither finished nor failed."""
    trials = list(plan.trials())
    if any(status_of(cell.folder(folder))[0] not in SETTLED for cell in trials):
        return None
    assert plan.grid.tune is not None, "a plan that tunes nothing has no trials to choose from"
    combinations = list(plan.grid.tune.combinations())
    scores: dict[str, list[list[TrialScore]]] = {arm.name: [[] for _ in combinations] for arm in plan.arms}
    for number, cell in enumerate(trials):  # seeds outermost, then combinations, then arms
        scores[cell.arm][number // len(plan.arms) % len(combinations)].append(_score(plan, cell, folder))
    return {arm: tuple(Tried(values=values, trials=tuple(one)) for values, one in zip(combinations, found, strict=True))
            for arm, found in scores.items()}  # fmt: skip


def _score(plan: Plan, cell: Cell, grid: Path) -> TrialScore:
    folder = cell.folder(grid)
    found: dict[str, Any] = {"cell": folder.name, "seed": cell.spec.seed, "run_key": cell.run_key}
    status, cause = status_of(folder)
    if status is Status.FAILED:
        return TrialScore(**found, score=None, reason=cause)
    trial = records.load(folder / TRIAL, Trial)
    score = validation_score(trial.validation, plan.metric)
    return TrialScore(**found, score=score, loss=trial.validation.loss, seconds=trial.seconds.train)


def _made(plan: Plan, folder: Path, tried: ByArm) -> Tuning:
    assert plan.grid.tune is not None
    tune, arms = plan.grid.tune, []
    for arm in plan.arms:
        place, tied = records.choose(tried[arm.name])
        chosen = None if place is None else arm.candidates[place]
        cells = () if chosen is None else (
            Cell(arm.name, chosen.spec.model_copy(update={"seed": seed}), chosen.run_key) for seed in plan.grid.seeds
        )  # fmt: skip
        counting = tuple(cell.record(folder) for cell in cells)
        arms.append(TunedArm(arm=arm.name, tried=tried[arm.name], chosen=place, tied=tied, cells=counting))
    return Tuning(
        grid=plan.name, metric=plan.metric, rule=RULE.format(metric=plan.metric),
        options={key: tuple(values) for key, values in tune.values.items()}, seeds=tuple(tune.seeds), arms=tuple(arms),
    )  # fmt: skip
