"""``peers``: peers, our own models and the best arm of a fraction, above the baselines and oracles of their data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Annotated

from pydantic import Field

from ..render.table import Table
from ..study.model import GridStudy, Study
from ..study.subjects import Arm, Sources
from . import columns as c
from . import layout, table

Names = Annotated[tuple[str, ...], Field(min_length=1)]
COLUMNS = (
    c.grid, c.name, c.role, c.count, c.validation, c.accuracy, c.above_baseline, c.above_on_cut, c.parameters, c.flops
)  # fmt: skip


@table("peers")
def peers(study: Study, *, peers: Names, ours: Names) -> list[Table]:
    """One table per task, in sections of what was measured on the same data.

    peers, ours: variants, each with its editions (``original`` is ``original_small`` too).
    """
    lines = [line for grid in study.grids for line in _lines(grid, peers, ours)]
    tasks = sorted({line.grid.task for line in lines})
    return [_table(task, [line for line in lines if line.grid.task == task]) for task in tasks]


def _table(task: str, lines: Sequence[layout.Line]) -> Table:
    sections = list[layout.Line]()
    for key in dict.fromkeys(line.grid.data_key for line in lines):
        first, *others = [line for line in lines if line.grid.data_key == key]
        sections += [replace(first, ruled=True), *others, *layout.reference_lines(first.grid)]
    columns, rows = layout.laid_out(sections, COLUMNS)
    grids = list({line.grid.name: line.grid for line in lines}.values())
    warnings = [said for grid in grids for said in layout.named_grid(grid, grid.warnings)]
    notes = [said for grid in grids for said in layout.named_grid(grid, (grid.verdicts, *grid.notes))]
    return Table(task, f"task {task}", columns, rows, tuple(warnings), tuple(notes))


def is_named(variant: str, names: Sequence[str]) -> bool:
    """Whether a variant is one of ``names`` or an edition of it: ``original_small`` of ``original``.

    ``base+windowed`` is no edition of ``base``, but another model.
    """
    return any(variant == name or variant.startswith(f"{name}_") for name in names)


def _lines(grid: GridStudy, peers: Sequence[str], ours: Sequence[str]) -> list[layout.Line]:
    """Arms in the plan's order: those that the options name, and the best of each factorial."""
    best, lines = _best(grid), list[layout.Line]()
    for arm in grid.arms:
        named = "peer" if is_named(arm.variant, peers) else "ours" if is_named(arm.variant, ours) else ""
        chosen, runs = best.get(arm.name, ("", ()))
        role = ", ".join(filter(None, (named, chosen)))
        lines += [layout.Line(grid, arm, role=role, also=() if named else runs)] if role else []
    return lines


def _best(grid: GridStudy) -> dict[str, tuple[str, Sources]]:
    """The arm of each factorial with the highest mean accuracy on the validation split, which the test does not see,
    over the seeds that all its arms have, as each may draw a split of its own: arm → what it is, and the runs that it
    was chosen from."""
    found = {}
    for design in grid.effects:
        arms = [arm for arm in grid.arms if arm.name in design.levels and arm.validation]
        shared = set[int].intersection(*(set(arm.seeds) for arm in arms)) if arms else set[int]()
        if shared:
            best = max(arms, key=lambda arm: _mean_validation(arm, shared))
            runs = tuple(source for arm in arms for source in arm.sources_of(shared))
            found[best.name] = (f"best of {len(design.levels)} by validation", runs)
    return found


def _mean_validation(arm: Arm, seeds: Collection[int]) -> float:
    pairs = zip(arm.column("seed"), arm.column("validation_accuracy"), strict=True)
    return fmean(value for seed, value in pairs if seed in seeds)
