"""One grid as the makers see it: its alike runs, what it decides by, and what a reader must know of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from . import warn
from .evidence import Evidence
from .read import Grid, Status
from .schema import Parameters, PlannedArm, Primary
from .statistics.interval import Interval, mean_interval
from .words import percent, plural

ACCURACY = "accuracy"
NAMED = 6  # cells that a warning names before it counts the others


@dataclass(frozen=True)
class Sizes:
    """Of an arm: from its runs where there are some, else from the plan."""

    parameters: Parameters
    flops: int
    length: int
    sources: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """``runs``: rows of the tidy table, completed and alike in data, code and device."""

    grid: Grid
    runs: pd.DataFrame
    warnings: tuple[str, ...]

    @property
    def primary(self) -> Primary | None:
        """What was planned to decide by; None where nothing was."""
        return self.grid.plan.primary if self.grid.plan else None

    @property
    def metric(self) -> str:
        return self.primary.metric if self.primary else ACCURACY

    @property
    def metric_words(self) -> str:
        return {"accuracy": "test accuracy", "f1": "test F1"}[self.metric]

    @property
    def margin(self) -> float | None:
        """As a fraction of one."""
        return self.primary.margin_points / 100 if self.primary else None

    @property
    def task(self) -> str:
        known = set(self.runs["task"]) or {cell.task for cell in self.grid.cells if cell.task}
        known = known or ({self.grid.floors.task} if self.grid.floors else set())
        return ", ".join(sorted(known)) or "not known yet"

    @property
    def data_key(self) -> str:
        """Of the runs; where there is none, of the floors."""
        floors = {self.grid.floors.data_key} if self.grid.floors else set()
        return "; ".join(sorted(set(self.runs["data_key"]) or floors))

    @property
    def cells(self) -> pd.DataFrame:
        """What the statistics take: arm, seed, value."""
        return self.runs[["arm", "seed", self.metric]].rename(columns={self.metric: "value"})

    @property
    def arms(self) -> list[str]:
        """The plan's order first."""
        return list(dict.fromkeys([*(arm.arm for arm in self.grid.planned), *self.runs["arm"]]))

    def of(self, *arms: str) -> pd.DataFrame:
        return self.runs[self.runs["arm"].isin(arms)]

    def sources(self, *arms: str) -> tuple[str, ...]:
        """The runs of these arms."""
        return tuple(self.of(*arms)["where"])

    def mean(self, arm: str) -> Interval | None:
        """Of the primary metric, over seeds."""
        return mean_interval(self.of(arm)[self.metric].tolist())

    def by_seed(self, arm: str, column: str) -> dict[int, float]:
        found = self.of(arm)
        return {int(seed): float(value) for seed, value in zip(found["seed"], found[column], strict=True)}

    def variant(self, arm: str) -> str:
        planned, found = self.planned.get(arm), self.of(arm)
        return planned.variant if planned else str(found["variant"].iloc[0])

    @property
    def planned(self) -> Mapping[str, PlannedArm]:
        return {arm.arm: arm for arm in self.grid.planned}

    def seeds_planned(self, arm: str) -> int:
        """How many runs the plan has of an arm; where there is no plan, how many were found."""
        plan = self.grid.plan
        return sum(cell.arm == arm for cell in plan.cells) if plan else len(self.of(arm))

    def sizes(self, arm: str) -> Sizes | None:
        found = self.of(arm)
        if len(found):
            first = found.iloc[0]
            total, without = int(first["parameters_total"]), int(first["parameters_without_embedding"])
            parameters = Parameters(total=total, without_embedding=without)
            return Sizes(parameters, int(first["flops_forward"]), int(first["flops_length"]), self.sources(arm))
        planned = self.planned.get(arm)
        if planned is None:
            return None
        flops, where = planned.flops, f"{self.grid.folder.name}/plan.json"
        return Sizes(planned.parameters, flops.forward, flops.length, (where,))


def view(evidence: Evidence, grid: Grid) -> View:
    """The alike runs of a grid with every warning that its tables must carry."""
    kept = evidence.alike(grid)
    said = [*warn.unplanned(grid), *unfinished(grid), *warn.revisions(kept.runs), *kept.warnings]
    return View(grid, kept.runs, (*said, *_registered(grid)))


def unfinished(grid: Grid) -> list[str]:
    """Cells that are missing in every number, with what became of them."""
    open_ = [f"{cell.where} ({cell.status})" for cell in grid.cells if cell.status is not Status.COMPLETED]
    if not open_:
        return []
    more = f" and {len(open_) - NAMED} more" if len(open_) > NAMED else ""
    return [f"Missing in what follows, as not completed: {', '.join(open_[:NAMED])}{more}."]


def _registered(grid: Grid) -> Iterable[str]:
    """A margin decides only if it was fixed before the runs."""
    if grid.plan is None or grid.plan.primary is None:
        return []
    if grid.registration is None:
        return ["The margin was not registered before the first run (no registered.json)."]
    if grid.registration.plan.primary != grid.plan.primary:
        return ["The margin or the metric is not the one that was registered before the first run."]
    return []


def margin_note(seen: View) -> str:
    """What the verdicts are made from; or why there is none."""
    if seen.margin is None:
        return "No margin was registered for this grid, so there is no verdict."
    return (
        f"Verdict from the 95 % interval, not corrected for the number of comparisons, and the margin of "
        f"±{percent(seen.margin)} points: equivalent inside the margin, else better or worse off zero, else undecided."
    )


def provenance_note(seen: View) -> str:
    """What all runs have in common."""
    columns = {"code revision": "code_revision", "device": "device", "data": "data_key"}
    said = [f"{name} {'; '.join(sorted(set(seen.runs[column])))}" for name, column in columns.items()]
    return f"{plural(len(seen.runs), 'run')}: {', '.join(said)}." if len(seen.runs) else "No run is completed."
