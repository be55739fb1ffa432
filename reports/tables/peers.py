"""``peers``: peers, our own models and the best arm of a fraction, above the baselines and oracles of their data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from ..render.table import Column, Entry, Row, Table
from ..study.model import Arm, GridStudy, Reference, Study
from . import table
from .cells import (
    BLANK,
    PARAMETERS,
    REFERENCES_NOTE,
    examples,
    flops,
    flops_column,
    label,
    mean,
    named_grid,
    on_its_data,
    parameters,
    reference_accuracy,
    seeds,
)

Names = Annotated[tuple[str, ...], Field(min_length=1)]
NOTES = (
    "Arms: mean [95 % interval] over seeds (n). Rows between two rules were measured on the same data; other grids may "
    "have trained otherwise. The best arm of a fraction is chosen by accuracy on the validation split; the test split "
    "had no say.",
    f"{REFERENCES_NOTE} Difference to the best baseline (the best on the test split, which is in its favour): interval "
    "from those of the two, taken as independent; they share the examples, so it is rather too wide. —: not measured; "
    "a difference is missing too where no baseline was measured on that data.",
)


@dataclass(frozen=True)
class Shown:
    """An arm and why it is shown. ``chosen_from``: runs without which another arm might stand here."""

    grid: GridStudy
    arm: Arm
    role: str
    chosen_from: tuple[str, ...] = ()


@table("peers")
def peers(study: Study, *, peers: Names, ours: Names) -> list[Table]:
    """One table per task, in sections of what was measured on the same data.

    peers, ours: variants, each with its editions (``original`` is ``original_small`` too).
    """
    tasks = sorted({grid.task for grid in study.grids})
    shown = {task: [one for grid in study.grids if grid.task == task for one in _shown(grid, peers, ours)]
             for task in tasks}  # fmt: skip
    return [_table(study, task, found) for task, found in shown.items() if found]


def _table(study: Study, task: str, shown: Sequence[Shown]) -> Table:
    size, rows = flops_column(one.arm.size for one in shown), list[Row]()
    for key in dict.fromkeys(one.grid.data_key for one in shown):
        of_data = [one for one in shown if one.grid.data_key == key]
        grid = of_data[0].grid
        rows += [Row(_entries(one, size), ruled=not number) for number, one in enumerate(of_data)]
        rows += [Row(_reference(one, one is grid.best_baseline), ruled=not number)
                 for number, one in enumerate(on_its_data(grid))]  # fmt: skip
    columns = (
        Column("grid"), Column("arm", is_code=True), Column("role"), Column("n"), Column("validation accuracy, %"),
        Column("test accuracy, %"), Column("to the best baseline, points"), PARAMETERS, size,
    )  # fmt: skip
    grids = list(dict.fromkeys(one.grid.name for one in shown))
    used = [grid for grid in study.grids if grid.name in grids and grid.task == task]
    warnings = [said for grid in used for said in named_grid(grid, grid.warnings)]
    notes = [said for grid in used for said in named_grid(grid, grid.notes)]
    return Table(task, f"task {task}", columns, tuple(rows), tuple(warnings), (*NOTES, *notes))


def is_named(variant: str, names: Sequence[str]) -> bool:
    """Whether a variant is one of ``names`` or an edition of it: ``original_small`` of ``original``.

    ``base+windowed`` is no edition of ``base``, but another model.
    """
    return any(variant == name or variant.startswith(f"{name}_") for name in names)


def _shown(grid: GridStudy, peers: Sequence[str], ours: Sequence[str]) -> list[Shown]:
    """Arms in the plan's order: those that the options name, and the best of each factorial."""
    best, found = _best(grid), list[Shown]()
    for arm in grid.arms:
        named = "peer" if is_named(arm.variant, peers) else "ours" if is_named(arm.variant, ours) else ""
        chosen, runs = best.get(arm.name, ("", ()))
        role = ", ".join(filter(None, (named, chosen)))
        found += [Shown(grid, arm, role, () if named else runs)] if role else []
    return found


def _best(grid: GridStudy) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The arm of each factorial with the highest mean accuracy on the validation split, which the test does not see:
    arm → what it is, and the runs that it was chosen from."""
    found = {}
    for design in grid.effects:
        arms = [arm for arm in grid.arms if arm.name in design.levels and arm.validation is not None]
        if arms:
            best = max(arms, key=lambda arm: arm.validation.mean if arm.validation else 0.0)
            runs = tuple(source for arm in arms for source in arm.sources)
            found[best.name] = (f"best of {len(design.levels)} by validation", runs)
    return found


def _entries(one: Shown, size: Column) -> tuple[Entry, ...]:
    arm, best = one.arm, one.grid.best_baseline
    above = one.grid.above_baseline(arm)
    difference = mean("difference", above, (*arm.sources, *best.sources) if above and best else (), "+")
    entries = (
        label("grid", one.grid.name), label("arm", arm.name), label("role", one.role), seeds(arm),
        mean("validation_accuracy", arm.validation, arm.sources), mean("accuracy", arm.accuracy, arm.sources),
        difference, parameters(arm.size), flops(arm.size, size),
    )  # fmt: skip
    return tuple(replace(entry, sources=tuple(dict.fromkeys((*entry.sources, *one.chosen_from)))) for entry in entries)


def _reference(one: Reference, is_best: bool) -> tuple[Entry, ...]:
    role = label("role", f"best {one.kind}" if is_best else one.kind)
    return (
        BLANK, label("arm", one.name), role, examples(one), BLANK, reference_accuracy(one), BLANK, BLANK,
        BLANK,
    )  # fmt: skip
