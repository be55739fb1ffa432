"""``claims``: published claims, one line each, with all figures in detail below."""

from __future__ import annotations

from pathlib import Path

from ..claims.judgement import Finding, joined, once
from ..claims.measurements import read_measurements
from ..claims.notes import claim_notes
from ..measured import RESULTS
from ..published import PATH, Claim, Published, read_published
from ..render.table import MISSING, Column, Entry, Row, Table
from ..study.model import Study
from . import table
from .layout import folded, learning_rates

COLUMNS = (
    Column("document", is_code=True), Column("claim"), Column("published"), Column("measured"), Column("verdict"),
    Column("key", is_code=True, in_csv_only=True),
)  # fmt: skip


@table("claims")
def claims(study: Study, *, published: str = "", measured: dict[str, str] | None = None) -> list[Table]:
    """One table, a row per claim in the order of their file.

    published: a file of claims, ours where empty. measured: name that claims call it by → file, relative to
    reports/results.
    """
    known = read_published(Path(published) if published else PATH)
    measurements = read_measurements(RESULTS, measured or {})
    rows = tuple(_row(known, claim, claim.decide.judge(claim, study, known, measurements)) for claim in known.claims)
    warnings, reservations = folded(study.grids)
    notes = (*claim_notes(study, known), *learning_rates(study.grids), *reservations)
    return [Table("", "", COLUMNS, rows, warnings, notes)]


def _row(known: Published, claim: Claim, finding: Finding) -> Row:
    own, sources = (claim.source,), once((claim.source, *finding.sources))
    settles = joined([finding.settles, claim.settles])
    verdict, printed = str(finding.verdict), ", ".join(known.number(key).text for key in claim.published)
    entries = (
        Entry(claim.document, {"document": claim.document}, own),
        Entry(claim.claim, {"claim": claim.claim, "fact": claim.fact}, own),
        Entry(printed, {"published": printed}, own),
        Entry(finding.measured or MISSING, {"measured": finding.measured, "figures": finding.figures}, sources),
        Entry(verdict, {"verdict": verdict, "why": finding.why, "settles": settles}, sources),
        Entry(claim.key, {"key": claim.key}, own),
    )
    said = (finding.figures, f"{verdict.capitalize()}: {finding.why}", settles and f"What would change it: {settles}")
    return Row(entries, tuple(filter(None, said)), f"{claim.claim} ({claim.document})")
