"""``claims``: published claims, one line each, with all figures in detail below."""

from __future__ import annotations

from ..claims.judgement import Judgement
from ..render.table import MISSING, Column, Entry, Row, Table
from ..study.model import Study
from . import table
from .cells import named_grid


@table("claims")
def claims(study: Study) -> list[Table]:
    """One table, a row per claim in the order of published.yaml."""
    from ..claims import judge_all, notes

    judged = judge_all(study)
    columns = (
        Column("document"), Column("claim"), Column("published"), Column("measured"), Column("verdict"),
        Column("key", is_code=True, in_csv_only=True),
    )  # fmt: skip
    warnings = tuple(said for grid in study.grids for said in named_grid(grid, grid.warnings))
    return [Table("", "", columns, tuple(map(_row, judged)), warnings, tuple(notes(study)))]


def _row(one: Judgement) -> Row:
    own, sources = one.sources[:1], one.sources
    figures = {"verdict": str(one.verdict), "why": one.why}
    entries = (
        Entry(one.document, {"document": one.document}, own),
        Entry(one.claim, {"claim": one.claim, "fact": one.fact}, own),
        Entry(one.published, {"published": one.published}, own),
        Entry(one.measured or MISSING, {"measured": one.measured, "figures": one.figures}, sources),
        Entry(str(one.verdict), figures, sources),
        Entry(one.key, {"key": one.key}, own),
    )
    detail = tuple(part for part in (one.figures, f"{str(one.verdict).capitalize()}: {one.why}") if part)
    return Row(entries, detail, f"{one.claim} ({one.document})")
