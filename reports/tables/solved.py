"""``solved``: of a task that is solved or not, how many seeds of each arm solve it, and after how many steps.

Where a model either finds the rule or stays at the guess, accuracies of seeds have two humps, and their mean is what no
run reached. So seeds are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median

from ..render.table import Column, Entry, Row, Table
from ..statistics.verdict import ALPHA
from ..study.model import GridStudy, Study
from ..study.solved import Count, counts
from ..study.subjects import Sources
from ..words import p_value, percent, with_bounds
from . import layout, table

HEADS = ("arm", "seeds that solve it", "share, %", "steps until solved", "accuracy solved, %", "accuracy unsolved, %",
         "p", "p Holm")  # fmt: skip


@table("solved")
def solved(study: Study, *, share: float = 0.95) -> list[Table]:
    """One table per grid whose task has an oracle.

    share: of the best oracle's test accuracy, from which a seed counts as having solved the task.
    """
    found = [(grid, counts(grid, share)) for grid in study.grids]
    return [_table(grid, of_arms, share) for grid, of_arms in found if of_arms]


def _table(grid: GridStudy, of_arms: Sequence[Count], share: float) -> Table:
    has_base = any(count.arm.is_base for count in of_arms)
    notes = (
        f"Solved: test accuracy of {percent(of_arms[0].line)} % or more, {share:g} of the best oracle's. Share: of the "
        "seeds, with Wilson's interval. Steps: of the seeds that solve it, the first validation at that line: median "
        "[least, most]; a seed that solves the test split without one is not in it.",
        _tested(grid.base, of_arms) if has_base else "No run of a base, so no p.",
        *grid.notes,
    )
    columns = tuple(Column(head, is_code=head == "arm") for head in HEADS)
    base = [source for count in of_arms if count.arm.is_base for source in count.sources]
    every = tuple(dict.fromkeys(source for count in of_arms for source in count.sources))
    rows = tuple(_row(count, base, every) for count in of_arms)
    return Table(grid.name, layout.title(grid), columns, rows, grid.warnings, notes)


def _tested(base: str | None, of_arms: Sequence[Count]) -> str:
    """What the test is, and what is the least that it can come to."""
    said = f"p: Fisher's exact test of the counts against {base}, seeds not taken in pairs."
    tested = [count for count in of_arms if count.least_p is not None]
    least = min((count.least_p for count in tested if count.least_p is not None), default=None)
    if least is None or least * len(tested) < ALPHA:
        return said
    corrected = min(1.0, least * len(tested))
    return f"{said} With so few seeds p cannot fall below {p_value(least)}, after Holm {p_value(corrected)}."


def _row(count: Count, base: Sequence[str], every: Sources) -> Row:
    """``every``: sources of the whole family, which Holm's correction is made over."""
    arm, sources = count.arm, count.sources
    both = tuple(dict.fromkeys((*sources, *base)))
    counted = {"solved": len(count.solved), "seeds": len(count.by_seed)}
    return Row((
        Entry(arm.name, {"arm": arm.name, "variant": arm.variant}, arm.sources),
        Entry(f"{len(count.solved)} of {len(count.by_seed)}", counted, sources),
        Entry(with_bounds(count.share), layout.bounds("share", count.share), sources),
        _steps([step for step in count.steps if step is not None], sources),
        _accuracy("accuracy_solved", count.solved, sources), _accuracy("accuracy_unsolved", count.unsolved, sources),
        _p("p", count.p, both), _p("p_holm", count.p_holm, every),
    ))  # fmt: skip


def _steps(steps: Sequence[int], sources: Sources) -> Entry:
    keys = ("steps_median", "steps_least", "steps_most")
    if not steps:
        return layout.missing(*keys, sources=sources)
    values = (median(steps), min(steps), max(steps))
    return Entry(f"{values[0]:,.0f} [{values[1]:,}, {values[2]:,}]", dict(zip(keys, values, strict=True)), sources)


def _accuracy(key: str, of_seeds: Sequence[float], sources: Sources) -> Entry:
    if not of_seeds:
        return layout.missing(key, sources=sources)
    return Entry(percent(mean(of_seeds)), {key: mean(of_seeds)}, sources)


def _p(key: str, p: float | None, sources: Sources) -> Entry:
    return Entry("", {key: None}) if p is None else Entry(p_value(p), {key: p}, sources)
