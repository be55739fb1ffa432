"""What a grid's cells have to tell, read from their files for whoever shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from swarmformer import records
from swarmformer.merge import leaves
from swarmformer.records import CONFIG, ENVIRONMENT, TRIALS, CurveLine, UnreadableFileError, load
from swarmformer.records.base import digest_of

from ..planned import values_said
from ..status import Status, done_of, glance

Value = str | int | float | bool


@dataclass(frozen=True)
class Run:
    """A cell that has started, or a trial.

    Attributes:
        place: its folder, from that of the grid.
        facts: of its identity, status and origin, in words.
        options: its whole configuration, by dotted names.
        curve: (step, names and values) of every line, as far as it got.
        results: of a completed run, by name; nothing of any other.
        started_s, seconds: of its first start, since 1970; how long it took, where it is finished.
    """

    grid: str
    place: str
    status: Status
    facts: Mapping[str, str]
    options: Mapping[str, Value] = field(default_factory=dict)
    curve: tuple[tuple[int, Mapping[str, float]], ...] = ()
    results: Mapping[str, float] = field(default_factory=dict)
    started_s: float = 0.0
    seconds: float = 0.0

    @property
    def digest(self) -> str:
        """Of all of it: what is exported is current where this is the same."""
        text = json.dumps([self.grid, self.place, self.facts, self.options, self.curve, self.results, self.started_s])
        return digest_of(text.encode())


def runs_of(plan: records.Plan, folder: Path) -> Iterator[Run]:
    """Every cell of a plan that has started, its trials first."""
    tuning = records.read_tuning(folder)
    if plan.tuning is not None:
        for trial in plan.tuning.trials:
            yield from _run(plan.grid, folder, f"{TRIALS}/{trial.cell}", {"tries": values_said(trial.values)})
        plan = records.chosen_plan(plan, tuning if tuning and records.is_of_plan(tuning, plan) else None)
    for cell in plan.cells:
        if cell.run_key:
            yield from _run(plan.grid, folder, cell.cell, {})


def _run(grid: str, folder: Path, place: str, facts: Mapping[str, str]) -> Iterator[Run]:
    cell = folder / place
    status, cause = glance(cell)
    if status is Status.PENDING:
        return
    facts = {**facts, "status": status.value, **({"cause": cause} if cause else {})}
    try:
        yield _read(Run(grid, place, status, facts), cell)
    except UnreadableFileError as error:
        yield Run(grid, place, Status.UNREADABLE, {**facts, "status": Status.UNREADABLE.value, "cause": str(error)})


def _read(run: Run, cell: Path) -> Run:
    done = done_of(cell) if run.status is Status.COMPLETED else None
    config, lines = load(cell / CONFIG, records.Config), records.read_curve(cell, done)
    identity = {"run_key": config.run_key, "arm": config.arm, "variant": config.variant, "seed": str(config.seed),
                "task": config.spec.data.task.name, "is_trial": str(config.trial).lower()}  # fmt: skip
    return Run(
        run.grid,
        run.place,
        run.status,
        {**identity, **run.facts, **(_origin(done) if done else {})},
        {"seed": config.seed, **_options(config.spec.model_dump(mode="json"))},
        tuple((line.step, values) for line in lines if (values := _values(line, finished=done is not None))),
        _results(done) if done else {},
        _started(cell),
        done.seconds.total if done else 0.0,
    )


def _origin(done: records.Result | records.Trial) -> dict[str, str]:
    named = ("device", "precision", "data_key", "code_revision", "code_hash", "started_at")
    return {name: str(getattr(done, name)) for name in named}


def _results(done: records.Result | records.Trial) -> dict[str, float]:
    """Metrics by split, and what the run took."""
    splits = {"test": done.metrics.test, "validation": done.metrics.validation} if isinstance(
        done, records.Result) else {"validation": done.validation}  # fmt: skip
    metrics = {f"{split}_{name}": float(value) for split, found in splits.items()
               for name, value in found.model_dump().items() if name != "n"}  # fmt: skip
    return {**metrics, "best_epoch": float(done.best_epoch), "train_seconds": done.seconds.train}


def _options(spec: Mapping[str, Any]) -> dict[str, Value]:
    """Numbers, words and switches as they are; lists and null as JSON has them."""
    return {".".join(path): value if isinstance(value, Value) else json.dumps(value) for path, value in leaves(spec)}


def _values(line: CurveLine, *, finished: bool) -> dict[str, float]:
    """``train/loss`` … of a line; the test split is told of a finished run alone."""
    raw = line.model_dump(mode="json")
    kind, stage = raw.pop("kind"), raw.pop("stage", "")
    if kind == "test" and not finished:
        return {}
    place = f"{stage}/{kind.removeprefix('stage_')}" if stage else kind
    return {f"{place}/{name}": float(value) for name, value in raw.items() if name not in ("step", "n")}


def _started(cell: Path) -> float:
    with suppress(UnreadableFileError, ValueError, IndexError):
        return datetime.fromisoformat(load(cell / ENVIRONMENT, records.Environment).starts[0].started_at).timestamp()
    return 0.0
