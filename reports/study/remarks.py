"""What a reader must know before trusting a grid, and what all its runs have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from swarmformer.errors import listed

from ..words import percent, plural
from .grid import Cell, Grid, Status
from .model import GridStudy
from .registration import Pair
from .subjects import Reference


def warnings(grid: Grid, cells: Sequence[Cell], runs: pd.DataFrame) -> Iterator[str]:
    """Of cells and code; what stands before a table."""
    if grid.unplanned:
        yield f"Not in the plan and left out: {listed(grid.unplanned)}."
    unfinished = [f"{cell.where} ({cell.status})" for cell in cells if cell.status is not Status.COMPLETED]
    if unfinished:
        yield f"Missing in what follows, as not completed: {listed(unfinished)}."
    computed = {name: sorted(set(arms)) for name, arms in runs.groupby("computed_in")["arm"]}
    if len(computed) > 1:
        each = "; ".join(f"{name}: {listed(arms)}" for name, arms in computed.items())
        yield f"Computed in different precisions, which differ by more than a seed may allow for: {each}."
    for device, ran in runs.groupby("device"):
        rounded = ran["tf32"].dropna()
        if rounded.nunique() > 1:
            plain = sorted(ran.loc[rounded.index[~rounded], "where"])
            yield f"On {device} products were rounded to TF32 in some runs, and not in {listed(plain)}."
    revisions = sorted(set(runs["code_revision"]))
    dirty = [revision for revision in revisions if revision.endswith("-dirty")]
    if dirty:
        yield f"Results from code with uncommitted changes: {', '.join(dirty)}."
    if "unknown" in revisions:
        yield "Results from code of an unknown revision."


def data_warnings(known: Sequence[Reference], data_key: str) -> Iterator[str]:
    """Where predictors were measured on other data than the arms."""
    keys = {reference.data_key for reference in known}
    if keys and data_key and keys != {data_key}:
        yield (
            "Baselines and arms were not all measured on the same data "
            f"(baselines: {'; '.join(sorted(keys))}; arms: {data_key}): compare only rows of the same data."
        )


def below_baseline(grid: GridStudy) -> Iterator[str]:
    """Which arms a predictor without an architecture is ahead of."""
    best, on_cut = grid.best_baseline, grid.best_on_cut
    yield from _below(grid, "The best baseline", best)
    if on_cut is not best:
        yield from _below(grid, "The best baseline on the same cut of each text", on_cut)


def _below(grid: GridStudy, role: str, best: Reference | None) -> Iterator[str]:
    arms = [arm for arm in grid.arms if arm.accuracy is not None]
    below = [arm.name for arm in arms if best and arm.accuracy and arm.accuracy.mean < best.accuracy.mean]
    if best and below:
        names = f"all {plural(len(below), 'arm')}" if len(below) == len(arms) > 1 else listed(below)
        yield f"{role}, {best.name} ({percent(best.accuracy.mean)} %), is above {names}."


def plan_warnings(grid: Grid, deviations: Sequence[str], pairs: Sequence[Pair]) -> Iterator[str]:
    """Of the registration: a margin decides only if it was fixed before the runs."""
    primary = grid.plan.primary if grid.plan else None
    if primary is not None and grid.registration is None:
        yield "The margin was not registered before the first run (no registered.json), so that it decides nothing."
    elif primary is not None and grid.registration is not None and grid.registration.plan.primary != primary:
        yield "The margin or the metric is not the one that was registered, so that it decides nothing."
    said = dict[str, list[str]]()
    for arm in grid.planned:
        for remark in arm.remarks:
            said.setdefault(remark, []).append(arm.arm)
    yield from (f"Compare with care, {remark}: {', '.join(arms)}." for remark, arms in said.items())
    if deviations:
        yield f"The registered plan of grid {grid.name} was not kept to: {'; '.join(deviations)}."
    yield from (pair.words for pair in pairs if not pair.holds)


def verdicts(margin: float | None, changed: Sequence[str] = ()) -> str:
    """How verdicts come about, for tables that have them; ``changed``: of the registered plan."""
    if margin is None and changed:
        return f"What was registered is not what was run, so there is no verdict: {'; '.join(changed)}."
    if margin is None:
        return "No margin was registered for this grid, so there is no verdict."
    return (
        f"Verdict: equivalent where the 95 % interval lies within ±{percent(margin)} points, the margin; better or "
        "worse where it lies off zero and p after Holm's correction over the family is below 0.05; else undecided."
    )


def notes(runs: pd.DataFrame, registered: str, pairs: Sequence[Pair]) -> Iterator[str]:
    """What stands under a table."""
    unlabelled = sorted(set(runs["arm"][runs["track"] == "U"]))
    if unlabelled:
        yield (
            f"Track U, trained on texts without labels too, none of which stands in a split of the task: "
            f"{listed(unlabelled)}. All others are of track L: they learned from the training texts alone."
        )
    said = [_all(runs, "code revision", "code_revision"), *_devices(runs), _all(runs, "data", "data_key")]
    if runs["computed_in"].nunique() > 1:
        said.append(_all(runs, "precision", "computed_in"))
    yield f"{plural(len(runs), 'run')}: {', '.join(said)}." if len(runs) else "No run is completed."
    yield " ".join([registered, *(pair.words for pair in pairs if pair.holds)])


def _all(runs: pd.DataFrame, name: str, column: str) -> str:
    return f"{name} {'; '.join(sorted(set(runs[column])))}"


def _devices(runs: pd.DataFrame) -> list[str]:
    """What the runs were computed on; of several devices, which seeds on which."""
    seeds = {device: sorted({*group["seed"]}) for device, group in runs.groupby("device", sort=True)}
    if len(seeds) < 2:
        return [f"device {device}" for device in seeds]
    parts = [f"{device} for seed{'s' * (len(own) > 1)} {listed([str(seed) for seed in own])}"
             for device, own in seeds.items()]  # fmt: skip
    return [f"device {'; '.join(parts)} (arms are compared within seeds)"]
