"""Claims about what can be measured, counted or worked out: rows of a measurement, four operations, a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import model_validator

from ...errors import ReportError
from ...kinds import Strict
from ...published import Claim, Published
from ...study.model import Study
from ..amounts import COMPARISONS, Amount
from ..judgement import Finding, Ruling, joined, once, ruling, untestable
from ..measurements import Measurements, Table
from ..rule import Rule, register
from ..steps import Scope, Step, Term, Where


class Check(Strict):
    """What the claim says of ``value``; ``by``: how far it may miss ``agrees_with``, relative to it."""

    value: Term
    above: Term | None = None
    below: Term | None = None
    at_most: Term | None = None
    agrees_with: Term | None = None
    by: float = 0.0

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(getattr(self, name) is not None for name in COMPARISONS) != 1:
            raise ValueError(f"a check is one of {', '.join(COMPARISONS)}")
        return self


@register("measured")
class Measured(Rule):
    """Confirmed where every check holds in every row, refuted where every one fails, else not confirmed.

    rows: a table of a measurement, ``properties.order``; without it there is one row that has no fields. where: which
    of its rows decide; shown: which are in the figures, where those are others. necessary: the checks are a condition
    that the claim needs and that does not prove it: refuted where one fails, else not testable here. Without checks
    it is not testable either. Texts are templates over steps and fields: measured of the first row, figures of each,
    also after them, why by verdict.
    """

    rows: str | None = None
    where: Where = {}
    shown: Where | None = None
    steps: dict[str, Step] = {}
    checks: tuple[Check, ...] = ()
    necessary: bool = False
    measured: str
    figures: str
    also: str = ""
    why: dict[str, str]

    @model_validator(mode="after")
    def _every_verdict_has_its_why(self) -> Self:
        missing = set(self._verdicts()) - set(self.why)
        if missing or not set(self.why) <= set(Ruling):
            raise ValueError(f"why: needs a sentence for {', '.join(sorted(self._verdicts()))}")
        return self

    def _verdicts(self) -> Iterator[str]:
        if self.checks:
            yield Ruling.REFUTED
        yield Ruling.UNTESTABLE if self.necessary or not self.checks else Ruling.CONFIRMED

    def judge(self, claim: Claim, study: Study, published: Published, measurements: Measurements) -> Finding:
        try:
            table = measurements.table(self.rows) if self.rows else None
            if self.rows and table is None:
                return untestable(measurements.missing(self.rows))
            deciding = self._scopes(table, self.where, published, measurements)
            shown = deciding if self.shown is None else self._scopes(table, self.shown, published, measurements)
            return self._finding(deciding, shown) if deciding else untestable(f"{self.rows} has no rows of this claim")
        except (LookupError, ValueError) as error:
            raise ReportError(f"claim {claim.key}: {error}") from error

    def _scopes(
        self, table: Table | None, where: Where, published: Published, measurements: Measurements
    ) -> list[Scope]:
        scopes = []
        for row in table.where(where) if table else ({},):
            scope = Scope(table, row, tuple(self.where), published, measurements, {})
            for name, step in self.steps.items():
                scope.steps[name] = scope.amount(step)
            scopes.append(scope)
        return scopes

    def _finding(self, deciding: list[Scope], shown: list[Scope]) -> Finding:
        checks = [checked(scope, check) for scope in deciding for check in self.checks]
        verdict = self._verdict([holds for holds, _ in checks])
        first = deciding[0]
        figures = joined([*(scope.text(self.figures) for scope in shown), first.text(self.also)])
        why = self.why.get(verdict, "the rows say different things")
        of_parts = [*(part.sources for part in (*deciding, *shown)), *(sources for _, sources in checks)]
        sources = once(source for of_part in of_parts for source in of_part)
        return Finding(verdict, first.text(self.measured), figures, first.text(why), sources, self._settling(verdict))

    def _settling(self, verdict: Ruling) -> str:
        """What would change the verdict; of what this rule cannot test, its claim says it."""
        of = f"a measurement of {self.rows}" if self.rows else "other published numbers"
        fails, agrees = f"{of} that contradicts the claim", f"{of} that agrees with the claim"
        every = "everywhere" if self.necessary else "in one place"
        said = {Ruling.CONFIRMED: f"{fails} in one place", Ruling.REFUTED: f"{agrees} {every}",
                Ruling.NOT_CONFIRMED: f"{of} that says the same in every place"}  # fmt: skip
        return said.get(verdict, "")

    def _verdict(self, holds: list[bool | None]) -> Ruling:
        if not self.checks:
            return Ruling.UNTESTABLE
        if self.necessary:
            return Ruling.REFUTED if False in holds else Ruling.UNTESTABLE
        return ruling(holds)


def checked(scope: Scope, check: Check) -> tuple[bool | None, tuple[str, ...]]:
    """Whether a check holds in a row, None where rounding leaves it open, and what it looked at."""
    name = next(name for name in COMPARISONS if getattr(check, name) is not None)
    value, limit = scope.amount(check.value), scope.amount(getattr(check, name))
    slack = check.by * limit.value
    limit = Amount(limit.value, limit.low - slack, limit.high + slack, limit.sources)
    return COMPARISONS[name](value, limit), (*value.sources, *limit.sources)


@register("untestable")
class Untestable(Rule):
    """No evidence of ours can decide it; ``reason`` is why."""

    reason: str

    def judge(self, claim: Claim, study: Study, published: Published, measurements: Measurements) -> Finding:
        return untestable(self.reason)
