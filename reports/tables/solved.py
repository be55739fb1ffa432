"""``solved``: of a task that is solved or not, how many seeds of each arm solve it, and after how many steps.

Where a model either finds the rule or stays at the guess, accuracies of seeds have two humps, and their mean is what no
run reached. So seeds are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median

from ..render.table import MISSING, Column, Entry, Row, Table
from ..study.model import GridStudy, Study
from ..study.solved import Count, counts
from ..words import p_value, percent, with_bounds
from . import columns as c
from . import table

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
        "[least, most].",
        f"p: Fisher's exact test of the counts against {grid.base}." if has_base else "No base is named, so no p.",
        *grid.notes,
    )
    columns = tuple(Column(head, is_code=head == "arm") for head in HEADS)
    return Table(grid.name, c.title(grid), columns, tuple(map(_row, of_arms)), grid.warnings, notes)


def _row(count: Count) -> Row:
    arm, steps = count.arm, {"steps_median": median(count.steps) if count.steps else None}
    entries = [
        Entry(arm.name, {"arm": arm.name, "variant": arm.variant}),
        Entry(f"{len(count.solved)} of {len(count.by_seed)}",
              {"solved": len(count.solved), "seeds": len(count.by_seed)}),
        Entry(with_bounds(count.share), c.bounds("share", count.share)),
        Entry(_steps(count.steps), steps),
        _accuracy("accuracy_solved", count.solved), _accuracy("accuracy_unsolved", count.unsolved),
        _p("p", count.p), _p("p_holm", count.p_holm),
    ]  # fmt: skip
    return Row(tuple(Entry(entry.text, entry.raw, arm.sources) for entry in entries))


def _steps(steps: Sequence[int]) -> str:
    return f"{median(steps):,.0f} [{min(steps):,}, {max(steps):,}]" if steps else MISSING


def _accuracy(key: str, of_seeds: Sequence[float]) -> Entry:
    return Entry(percent(mean(of_seeds)), {key: mean(of_seeds)}) if of_seeds else Entry(MISSING, {key: None})


def _p(key: str, p: float | None) -> Entry:
    return Entry("" if p is None else p_value(p), {key: p})
