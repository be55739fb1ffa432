"""``one_factor``: arms against the base of their family, paired by seed: one in, one out, placebos and controls."""

from __future__ import annotations

from collections.abc import Sequence

from ..render.table import Column, Entry, Row, Table
from ..study.model import Arm, Contrast, Family, GridStudy, Study
from . import table
from .cells import (
    BLANK,
    PARAMETERS,
    label,
    mean,
    metric_words,
    missing,
    parameters,
    probability,
    reasons,
    seeds,
    size_difference,
    title,
    verdict,
)


@table("one_factor")
def one_factor(study: Study, *, leave_out: tuple[str, ...] = ()) -> list[Table]:
    """One table per grid that has arms to hold against a base.

    leave_out: families that stand elsewhere.
    """
    shown = [(grid, _families(grid, leave_out)) for grid in study.grids]
    return [_table(grid, families) for grid, families in shown if families]


def _families(grid: GridStudy, leave_out: Sequence[str]) -> list[Family]:
    """The arms of a factorial stand in the table of its effects."""
    hidden = {*leave_out, *(["arms"] if grid.effects else [])}
    return [family for family in grid.families if family.base and family.name not in hidden]


def _table(grid: GridStudy, families: Sequence[Family]) -> Table:
    rows = [row for family in families for row in _rows(grid, family)]
    contrasts = [contrast for family in families for contrast in family.contrasts]
    columns = (
        Column("family"), Column("arm", is_code=True), Column("factor"), Column("n"),
        Column(f"{metric_words(grid)}, %"), Column("difference to base, points"), Column("p"), Column("p Holm"),
        Column("verdict"), Column("p McNemar"), PARAMETERS, Column("Δ parameters"), Column("Δ FLOPs"),
    )  # fmt: skip
    powers = [family.power for family in families if family.power]
    notes = (*_notes(contrasts), *reasons(contrasts), *powers, *grid.notes)
    return Table(grid.name, title(grid), columns, tuple(rows), grid.warnings, notes)


def _rows(grid: GridStudy, family: Family) -> list[Row]:
    base = grid.arm(str(family.base))
    rows = [Row((*_head(grid, family, str(family.base)), Entry("base"), *[BLANK] * 4, _parameters(base), BLANK, BLANK),
                ruled=True)]  # fmt: skip
    return [*rows, *(Row(_entries(grid, family, contrast, base)) for contrast in family.contrasts)]


def _head(grid: GridStudy, family: Family, name: str) -> tuple[Entry, ...]:
    arm, factor = grid.arm(name), family.factors.get(name)
    if arm is None:
        value = (missing("n"), missing(grid.metric, f"{grid.metric}_low", f"{grid.metric}_high"))
    else:
        value = (seeds(arm), mean(grid.metric, arm.value, arm.sources))
    return (label("family", family.name), label("arm", name), Entry(factor or "", {"factor": factor or None}), *value)


def _entries(grid: GridStudy, family: Family, contrast: Contrast, base: Arm | None) -> tuple[Entry, ...]:
    arm = grid.arm(contrast.name)
    sizes = [one.size for one in (arm, base) if one and one.size]
    ours, theirs = sizes if len(sizes) == 2 else (None, None)
    of_sizes = tuple(source for size in sizes for source in size.sources)
    more = ours.parameters - theirs.parameters if ours and theirs else None
    flops = ours.flops - theirs.flops if ours and theirs else None
    everyone = tuple(dict.fromkeys(source for one in family.contrasts for source in one.sources))
    return (
        *_head(grid, family, contrast.name),
        mean("difference", contrast.interval, contrast.sources, "+"),
        probability("p", contrast.p, contrast.sources),
        probability("p_holm", contrast.p_holm, everyone),
        verdict(contrast),
        probability("p_mcnemar", contrast.p_mcnemar, contrast.sources),
        _parameters(arm),
        size_difference("parameters_difference", more, of_sizes),
        size_difference("flops_difference", flops, of_sizes),
    )  # fmt: skip


def _parameters(arm: Arm | None) -> Entry:
    return parameters(arm.size if arm else None)


def _notes(contrasts: Sequence[Contrast]) -> list[str]:
    tested = any(contrast.p_mcnemar is not None for contrast in contrasts)
    said = "where all runs kept their predictions" if tested else "no arm has the predictions of all its runs"
    return [
        "Differences: arm minus base of the family, paired by seed, with 95 % interval; Holm's correction within each "
        "family. Base of one in: no factor; of one out: all, so that a negative difference says that the factor is "
        "missed. n: seeds. FLOPs: forward pass, multiply-adds × 2. —: not measured.",
        "McNemar (secondary, exact, of these trained models only: it does not know that seeds vary): " + said + ".",
    ]
