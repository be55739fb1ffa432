"""What came of the checks, as data and as text."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any

from swarmformer.testing.require import ViolationError

WIDTH = 116
NUMBER = re.compile(r"\d+")


class Status(StrEnum):
    """Of one check on one component."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"
    EXPECTED_FAILURE = "expected_failure"

    @property
    def words(self) -> str:
        return self.value.replace("_", " ")


@dataclass(frozen=True)
class Outcome:
    """One check on one case.

    component: its name (``router.learned``), or that of a variant. case: the name with the options that differ
    from the defaults. options: those options. detail: the reason of a failure or of why the check does not apply.
    """

    component: str
    case: str
    options: Mapping[str, Any]
    check: str
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Report:
    """All outcomes of a component, or of many; ``str`` prints them."""

    outcomes: tuple[Outcome, ...] = field(default_factory=tuple)

    def __add__(self, other: Report) -> Report:
        return Report(self.outcomes + other.outcomes)

    def of(self, status: Status) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.status is status]

    @property
    def counts(self) -> dict[Status, int]:
        counted = Counter(outcome.status for outcome in self.outcomes)
        return {status: counted[status] for status in Status}

    @property
    def ran(self) -> int:
        """Checks that came to a verdict."""
        return len(self.outcomes) - self.counts[Status.NOT_APPLICABLE]

    @property
    def ok(self) -> bool:
        """Whether something ran and nothing failed."""
        return self.ran > 0 and not self.of(Status.FAILED)

    def raise_for_failures(self) -> None:
        """Raise ViolationError with every failure, or where nothing ran."""
        if not self.ok:
            raise ViolationError("\n".join([*(_line(outcome) for outcome in self.of(Status.FAILED)), self.summary]))

    @property
    def summary(self) -> str:
        """One line that counts."""
        counts = self.counts
        components = len({outcome.component for outcome in self.outcomes})
        line = (
            f"{self.ran} check{'s' * (self.ran != 1)} ran on {components} component{'s' * (components != 1)}: "
            f"{counts[Status.PASSED]} passed, {counts[Status.EXPECTED_FAILURE]} failed as expected, "
            f"{counts[Status.FAILED]} failed; {counts[Status.NOT_APPLICABLE]} did not apply"
        )
        return line if self.ran else f"nothing ran: that is a failure ({line})"

    def __str__(self) -> str:
        cases = groupby(self.outcomes, key=lambda outcome: outcome.case)
        blocks = ["\n".join([case, *_case_lines(list(outcomes))]) for case, outcomes in cases]
        return "\n".join([*blocks, self.summary])


def _case_lines(outcomes: list[Outcome]) -> Iterable[str]:
    passed = [outcome.check for outcome in outcomes if outcome.status is Status.PASSED]
    if passed:
        yield _wrapped("passed", f"{', '.join(passed)}")
    alike: dict[tuple[Status, str], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.status is not Status.PASSED:
            alike.setdefault((outcome.status, NUMBER.sub("#", outcome.detail)), []).append(outcome)
    for (status, _), group in alike.items():
        yield _wrapped("FAILED" if status is Status.FAILED else status.words, _said_once(group))


def _said_once(group: list[Outcome]) -> str:
    """Of outcomes whose details are the same but for sizes."""
    first, *others = group
    if not others:
        return f"{first.check}: {first.detail}"
    how = "with" if all(other.detail == first.detail for other in others) else "like"
    return f"{len(group)} checks, all {how}: {first.detail} ({', '.join(outcome.check for outcome in group)})"


def _wrapped(label: str, text: str) -> str:
    start = f"    {label:17}"
    return textwrap.fill(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))


def _line(outcome: Outcome) -> str:
    return f"{outcome.case}: {outcome.check}: {outcome.detail}"
