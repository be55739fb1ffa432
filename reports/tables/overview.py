"""``overview``: every main effect of every factorial design, a row a factor and a column a task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..render.table import MISSING, Column, Entry, Row, Table
from ..study.contrasts import Design
from ..study.model import GridStudy, Study
from ..study.subjects import Sources
from ..words import in_points, percent, with_bounds
from . import table
from .layout import METRICS, learning_rates

InGrid = tuple[GridStudy, str, Design]
"""A design, and what tells it from others of its grid."""


@table("overview")
def overview(study: Study) -> list[Table]:
    """One table over all designs; nothing where there is none."""
    designs = [(grid, *one) for grid in study.grids for one in grid.told_apart]
    return [_table(designs)] if designs else []


def _table(designs: Sequence[InGrid]) -> Table:
    factors = _beside_their_like(dict.fromkeys(factor for *_, design in designs for factor in design.factors))
    heads = _heads(designs)
    rows = [Row((Entry(factor, {"factor": factor}),
                 *(_effect(head, design, factor) for head, (*_, design) in zip(heads, designs, strict=True))))
            for factor in factors]  # fmt: skip
    runs, found = [design.main.sources for *_, design in designs], [_found(design) for *_, design in designs]
    margins = [f"±{percent(grid.margin)}" if grid.margin else MISSING for grid, *_ in designs]
    rows += [
        _told("registered margin", heads, margins, [_of_plan(grid) for grid, *_ in designs]),
        _told("smallest effect found with 80 % power", heads, found, runs, ruled=False),
        _told("seeds with every arm", heads, [str(design.seeds) for *_, design in designs], runs, ruled=False),
    ]
    notes = [f"{head}: {design.power}" for head, (*_, design) in zip(heads, designs, strict=True)]
    notes += learning_rates([*{grid.name: grid for grid, *_ in designs}.values()])
    several = len({grid.metric for grid, *_ in designs}) > 1
    of_metric = [f" of {METRICS[grid.metric]}" if several else "" for grid, *_ in designs]
    columns = (Column("factor"), *(Column(f"{head}, points{of}") for head, of in zip(heads, of_metric, strict=True)))
    metrics = " and ".join(dict.fromkeys(METRICS[grid.metric] for grid, *_ in designs))
    return Table("", f"on {metrics}", columns, tuple(rows), notes=tuple(notes))


def _beside_their_like(factors: Iterable[str]) -> list[str]:
    """In the order of the designs, but ``routing_released`` beside ``routing``."""
    names = list(factors)
    return sorted(names, key=lambda name: next(
        place for place, other in enumerate(names) if name.startswith(other) or other.startswith(name)))  # fmt: skip


def _heads(designs: Sequence[InGrid]) -> list[str]:
    """The task, and the grid where several designs are of one task."""
    tasks = [grid.task for grid, *_ in designs]
    return [grid.task if tasks.count(grid.task) == 1 else f"{grid.task} ({grid.name}{which})"
            for grid, which, _ in designs]  # fmt: skip


def _effect(head: str, design: Design, factor: str) -> Entry:
    """``+0.74 [−0.76, +2.25] undecided``"""
    contrast = next((one for one in design.main.contrasts if one.terms == (factor,)), None)
    keys = {f"{head} estimate": None, f"{head} low": None, f"{head} high": None, f"{head} verdict": None}
    if contrast is None or contrast.interval is None:
        return Entry(MISSING if contrast else "", keys)
    verdict = "" if contrast.verdict is None else f" {contrast.verdict}"
    interval = contrast.interval
    raw = dict(zip(keys, (interval.mean, interval.low, interval.high, verdict.strip() or None), strict=True))
    return Entry(f"{with_bounds(interval, '+')}{verdict}", raw, contrast.sources)


def _found(design: Design) -> str:
    return MISSING if design.detectable is None else in_points(design.detectable)


def _of_plan(grid: GridStudy) -> Sources:
    return (f"{grid.folder.name}/plan.json",) if grid.plan and grid.margin is not None else ()


def _told(
    what: str, heads: Sequence[str], texts: Sequence[str], sources: Sequence[Sources], *, ruled: bool = True
) -> Row:
    """A fact of every design, below the effects."""
    entries = (Entry(text, {f"{head} {what}": text}, made_of)
               for head, text, made_of in zip(heads, texts, sources, strict=True))  # fmt: skip
    return Row((Entry(what, {"factor": what}), *entries), ruled=ruled)
