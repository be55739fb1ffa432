"""Rules are found by name or path, checked strictly, and new ones need no list."""

from __future__ import annotations

import pytest

from reports.claims.judgement import Finding, Ruling
from reports.claims.measurements import Measurements
from reports.claims.rule import Rule, rule_of
from reports.errors import ReportError
from reports.published import Claim, Published
from reports.study.model import Study
from tests.reports.claims.synthetic_study import judged


class Longest(Rule):
    """A rule from elsewhere."""

    words: int

    def judge(self, claim: Claim, study: Study, published: Published, measurements: Measurements) -> Finding:
        return Finding(Ruling.CONFIRMED, f"{self.words} words", "", "")


def test_a_rule_of_somebody_else_is_named_by_its_path() -> None:
    found = judged({"rule": f"{__name__}:Longest", "words": 3})
    assert found.verdict is Ruling.CONFIRMED and found.measured == "3 words"


@pytest.mark.parametrize(
    ("decide", "message"),
    [
        ({"rule": "effects"}, "no rule 'effects'"),
        ({"factor": "windowed"}, "needs a rule"),
        ("effect", "needs a rule"),
    ],
)
def test_what_is_no_rule_is_refused(decide: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rule_of(decide)


@pytest.mark.parametrize("options", [{}, {"factor": 3}, {"factor": "windowed", "colour": "red"}])
def test_options_are_strict(options: dict[str, object]) -> None:
    with pytest.raises(ReportError):
        rule_of({"rule": "effect", **options})
