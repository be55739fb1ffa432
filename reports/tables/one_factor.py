"""``one_factor``: arms against the base of their family, paired by seed: one in, one out, placebos and controls."""

from __future__ import annotations

from collections.abc import Sequence

from ..render.table import Table
from ..study.contrasts import Family
from ..study.model import GridStudy, Study
from . import columns as c
from . import layout, table

COLUMNS = (
    c.family, c.name, c.factor, c.count, c.value, c.difference, c.p, c.p_holm, c.verdict, c.mechanism, c.p_mcnemar,
    c.parameters, c.more_parameters, c.more_flops,
)  # fmt: skip


@table("one_factor")
def one_factor(study: Study, *, leave_out: tuple[str, ...] = ()) -> list[Table]:
    """One table per grid that has arms to hold against a base.

    leave_out: families that stand elsewhere. So do the arms of a factorial, in the table of its effects.
    """
    return [_table(grid, families) for grid in study.grids if (families := _families(grid, leave_out))]


def _families(grid: GridStudy, leave_out: Sequence[str]) -> list[Family]:
    hidden = {*leave_out, *(["arms"] if grid.effects else [])}
    return [family for family in grid.families if family.base and family.name not in hidden]


def _table(grid: GridStudy, families: Sequence[Family]) -> Table:
    columns, rows = layout.laid_out([line for family in families for line in _lines(grid, family)], COLUMNS)
    contrasts = [contrast for family in families for contrast in family.contrasts]
    powers = [family.power for family in families if family.power]
    notes = (*layout.reasons(contrasts), *powers, grid.verdicts, *grid.notes)
    return Table(grid.name, layout.title(grid), columns, rows, grid.warnings, notes)


def _lines(grid: GridStudy, family: Family) -> list[layout.Line]:
    base = layout.Line(grid, grid.arm(str(family.base)), family=family, ruled=True)
    return [base, *(layout.Line(grid, grid.arm(one.name), contrast=one, family=family) for one in family.contrasts)]
