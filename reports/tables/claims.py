"""``claims``: published claims, one line each, with all figures in detail below."""

from __future__ import annotations

from ..claims.judge import judge_claims
from ..claims.judgement import Judgement
from ..claims.measurements import read_measurements
from ..claims.notes import claim_notes
from ..measured import RESULTS
from ..published import read_published
from ..render.table import MISSING, Column, Entry, Row, Table
from ..study.model import Study
from . import table
from .columns import named_grid

COLUMNS = (
    Column("document", is_code=True), Column("claim"), Column("published"), Column("measured"), Column("verdict"),
    Column("key", is_code=True, in_csv_only=True),
)  # fmt: skip


@table("claims")
def claims(study: Study, *, measured: dict[str, str]) -> list[Table]:
    """One table, a row per claim in the order of published.yaml.

    measured: name that claims call it by → file, relative to reports/results.
    """
    published = read_published()
    judged = judge_claims(study, published, read_measurements(RESULTS, measured))
    warnings = tuple(said for grid in study.grids for said in named_grid(grid, grid.warnings))
    return [Table("", "", COLUMNS, tuple(map(_row, judged)), warnings, claim_notes(study, published))]


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
