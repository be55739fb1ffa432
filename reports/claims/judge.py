"""Every claim of published.yaml with its verdict: what a table, a page and the README show."""

from __future__ import annotations

from ..published import Published
from ..study.model import Study
from .judgement import Judgement, once
from .measurements import Measurements


def judge_claims(study: Study, published: Published, measurements: Measurements) -> tuple[Judgement, ...]:
    """One judgement a claim, in the order of published.yaml.

    Raises ReportError where a measurement cannot be used, or a claim asks for a number that is not there.
    """
    return tuple(
        Judgement(
            key=claim.key,
            document=claim.document,
            claim=claim.claim,
            published=", ".join(published.number(key).text for key in claim.published),
            measured=finding.measured,
            verdict=finding.verdict,
            figures=finding.figures,
            why=finding.why,
            sources=once((claim.source, *finding.sources)),
            fact=claim.fact,
        )
        for claim in published.claims
        for finding in (claim.decide.judge(claim, study, published, measurements),)
    )
