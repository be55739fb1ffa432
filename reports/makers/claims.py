"""Published claims, each with its verdict and the figures behind it."""

from __future__ import annotations

from pathlib import Path

from ..claims.finding import Context, Finding
from ..claims.rules import judge
from ..claims.scale import scale_notes
from ..definition import Definition
from ..evidence import Evidence
from ..published import Claim, Number, Published, read_published
from ..sheet import MISSING, Column, Entry, Sheet
from .options import Options, read_options

RESULTS = Path(__file__).parents[1] / "results"

RULES_NOTE = (
    "Accuracy of an enhancement: its main effect in every fraction of the evidence (least squares with a block per "
    "seed, 95 % interval, p after Holm over the eight). Better or worse: off zero, not within the margin, p below 0.05 "
    "after Holm. Equivalent: within the margin. Confirmed: better in every grid. Refuted: worse or equivalent in every "
    "grid. Not confirmed: undecided or mixed. A claim that accuracy is kept: confirmed where no grid leaves a loss "
    "beyond the margin open, refuted where it is worse in every grid."
)
COST_NOTE = (
    "Cost: ratios to base, one text, one thread on a CPU, 95 % interval of the seconds. FLOPs decide where a document "
    "speaks of computation, seconds where it speaks of speed; both are shown. Confirmed where every ratio is below one "
    "beyond its interval, refuted where every one is at least one, else not confirmed."
)


class ClaimsOptions(Options):
    """There are none: all claims of published.yaml are shown."""


def claims(evidence: Evidence, definition: Definition) -> list[Sheet]:
    """One sheet, a row per claim in the order of published.yaml.

    Raises ReportError where published.yaml or a measurement cannot be read.
    """
    read_options(definition, ClaimsOptions)
    context = Context(evidence, read_published(), RESULTS)
    rows = [_row(claim, judge(context, claim), context.published) for claim in context.published.claims]
    documents = {claim.document for claim in context.published.claims}
    said = [f"{key}: {one.title}" for key, one in context.published.documents.items() if key in documents]
    return [
        Sheet(
            name=definition.name,
            title=definition.title,
            columns=(
                Column(("claim",)),
                Column(("document",)),
                Column(("published",)),
                Column(("measured",)),
                Column(("verdict",)),
                Column(("why",)),
                Column(("key",), is_code=True, in_csv_only=True),
            ),
            rows=tuple(rows),
            warnings=_warnings(context),
            notes=(RULES_NOTE, *scale_notes(context), COST_NOTE, f"Documents: {'; '.join(said)}."),
        )
    ]


def _row(claim: Claim, found: Finding, published: Published) -> tuple[Entry, ...]:
    numbers = [published.number(key) for key in claim.decide.numbers]
    printed = ", ".join(dict.fromkeys(_printed(number) for number in numbers))
    return (
        Entry(claim.claim, {"claim": claim.claim, "fact": claim.fact}, (claim.source,)),
        Entry(claim.document, {"document": claim.document}, (claim.source,)),
        Entry(printed, {}, tuple(number.source for number in numbers)),
        Entry(found.figures or MISSING, {}, found.sources),
        Entry(str(found.ruling), {"verdict": str(found.ruling)}, found.sources),
        Entry(found.why, {"why": found.why}, found.sources),
        Entry(claim.key, {"key": claim.key}, (claim.source,)),
    )


def _printed(number: Number) -> str:
    """A bare count with its name: ``num_layers 2``."""
    return f"{number.quantity} {number.text}" if number.unit == "count" else number.text


def _warnings(context: Context) -> tuple[str, ...]:
    """Of every grid with its name before it, as the claims are made of several."""
    return tuple(f"{seen.grid.name}: {said}" for seen in context.views for said in seen.warnings)
