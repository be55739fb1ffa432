"""``out_of_domain``: accuracy on the test splits of other tasks, beside that on an arm's own, baselines below."""

from __future__ import annotations

from ..render.table import Column, Entry, Row, Table
from ..study.elsewhere import Answered, Elsewhere, elsewhere
from ..study.model import GridStudy, Study
from ..study.subjects import Reference
from ..words import plural
from . import layout, table

HEADS = ("arm", "own test accuracy, %", "accuracy there, %", "change, points", "to the base, points", "p Holm", "n")


@table("out_of_domain")
def out_of_domain(study: Study) -> list[Table]:
    """One table per grid and other task that its runs have answered."""
    return [_table(grid, other) for grid in study.grids for other in elsewhere(grid)]


def _table(grid: GridStudy, other: Elsewhere) -> Table:
    columns = tuple(Column(head, is_code=head == "arm") for head in HEADS)
    rows = [_row(one, other) for one in other.arms]
    own = {one.name: one for one in grid.references if one.data_key == grid.data_key}
    baselines = other.baselines.references if other.baselines else ()
    rows += [_of_baseline(one, own.get(one.name), ruled=not place) for place, one in enumerate(baselines)]
    base = f"Differences are to {grid.base}, paired by seed." if grid.base else "No base is named."
    power = f"Power: {other.power}." if other.power else ""
    notes = tuple(filter(None, (base, power, *_lacking(other), *_copies(other), *grid.notes)))
    heading = f"{layout.title(grid)}, tested on {other.task}"
    return Table(f"{grid.name}_{other.task}", heading, columns, tuple(rows), grid.warnings, notes)


def _row(one: Answered, other: Elsewhere) -> Row:
    arm, every = one.arm, tuple(dict.fromkeys(source for each in other.arms for source in each.both))
    return Row((
        Entry(arm.name, {"kind": "arm", "name": arm.name, "variant": arm.variant, "is_base": arm.is_base}, arm.sources),
        layout.mean("own_accuracy", arm.accuracy, arm.sources),
        layout.mean("accuracy", one.accuracy, one.sources),
        layout.mean("change", one.change, one.sources, "+"),
        layout.mean("difference", one.to_base, one.both, "+") if one.both else layout.BLANK,
        layout.probability("p_holm", one.p_holm, every) if one.both else layout.BLANK,
        Entry(plural(len(one.values), "seed"), {"n": len(one.values)}, one.sources),
    ))  # fmt: skip


def _of_baseline(one: Reference, own: Reference | None, *, ruled: bool) -> Row:
    n = one.accuracy.n
    return Row((
        Entry(f"{one.name} ({one.kind})", {"kind": one.kind, "name": one.name}, one.sources),
        layout.mean("own_accuracy", own.accuracy if own else None, own.sources if own else ()),
        layout.mean("accuracy", one.accuracy, one.sources),
        layout.BLANK, layout.BLANK, layout.BLANK,
        Entry(plural(n, "example"), {"n": n}, one.sources),
    ), ruled=ruled)  # fmt: skip


def _copies(other: Elsewhere) -> list[str]:
    if other.baselines is None:
        return ["No baselines were computed on these texts."]
    copies = other.baselines.copies
    return [f"Test texts of {other.task} that also stand in the source's train, after normalisation: {copies:,}."]


def _lacking(other: Elsewhere) -> list[str]:
    """Runs that were not asked, or about other texts."""
    less = [f"{one.arm.name} ({len(one.values)} of {one.arm.n})" for one in other.arms if len(one.values) < one.arm.n]
    unlike = f"{plural(other.others, 'run')} answered other texts of that name, which is left out."
    said = [f"Not asked in every run: {', '.join(less)}."] if less else []
    return [*said, unlike] if other.others else said
