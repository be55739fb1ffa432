"""Rows, steps and checks of the rule for what was measured, on tables made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from reports.claims.judgement import Ruling
from reports.claims.measurements import Measurements, read_measurements
from reports.errors import ReportError
from tests.reports.claims.synthetic_study import judged

ROWS = [
    {"variant": "a", "change": "reversal", "size": 2, "parts": [8, 4, 2], "by_slot": {"local": 1}, "fast": True},
    {"variant": "a", "change": "shuffle", "size": 4, "parts": [8], "by_slot": {"local": 3}, "fast": False},
    {"variant": "b", "change": "reversal", "size": 6, "parts": [8, 4], "by_slot": {"local": 0}, "fast": True},
    {"variant": "b", "change": "shuffle", "size": 3, "parts": [8], "by_slot": {"local": 3}, "fast": False},
]
TABLES = Measurements({"file": {"rows": ROWS, "other": [{"count": 10}]}}, {"file": "file/file.json"})


def measured(tables: Measurements = TABLES, **options: Any) -> Any:
    why = {"confirmed": "holds", "refuted": "fails", "not testable here": "cannot be told"}
    given = {"rule": "measured", "rows": "file.rows", "measured": "{size}", "figures": "{variant} {size}", "why": why}
    return judged({key: value for key, value in {**given, **options}.items() if value is not None}, measurements=tables)


@pytest.mark.parametrize(
    ("where", "check", "expected"),
    [
        ({"variant": "a"}, {"above": 1}, Ruling.CONFIRMED),
        ({"variant": "a"}, {"above": 4}, Ruling.REFUTED),
        ({"variant": "a"}, {"at_most": 2}, Ruling.NOT_CONFIRMED),
        ({"variant": ["a", "b"], "change": "reversal"}, {"below": 7}, Ruling.CONFIRMED),
        ({"size": 6}, {"agrees_with": 5.5, "by": 0.1}, Ruling.CONFIRMED),
        ({"size": 6}, {"agrees_with": 5, "by": 0.1}, Ruling.REFUTED),
    ],
)
def test_all_rows_must_agree(where: dict[str, Any], check: dict[str, Any], expected: Ruling) -> None:
    found = measured(where=where, checks=[{"value": "size", **check}])
    assert found.verdict is expected and found.sources == ("file/file.json",)


def test_a_necessary_condition_refutes_and_proves_nothing() -> None:
    assert measured(where={"variant": "a"}, checks=[{"value": "size", "at_most": 9}], necessary=True).verdict is (
        Ruling.UNTESTABLE
    )
    assert measured(where={"variant": "a"}, checks=[{"value": "size", "at_most": 3}], necessary=True).verdict is (
        Ruling.REFUTED
    )


def test_steps_read_other_rows_and_work_out_amounts() -> None:
    steps = {
        "shuffled": {"read": "size", "where": {"change": "shuffle"}},
        "share": {"ratio": ["size", "shuffled"]},
        "last": {"ratio": ["parts.-1", "parts.0"]},
        "local": {"sum": ["by_slot.local", 1]},
        "ten": {"read": "count", "of": "file.other"},
        "rest": {"difference": ["ten", "size", 1]},
        "bytes": {"product": [2, "base_memory"]},
    }
    found = measured(
        where={"change": "reversal", "variant": ["a", "b"]}, steps=steps, checks=[{"value": "share", "above": 1}],
        figures="{variant} {fast}: {share:.2f} {last:.2f} {local:.0f} {rest:.0f} {bytes:si}", also="of {ten}",
    )  # fmt: skip
    assert found.figures == "a with: 0.50 0.25 2 7 18.3 G; b with: 2.00 0.50 1 3 18.3 G; of 10"
    assert found.verdict is Ruling.NOT_CONFIRMED and found.measured == "2"
    assert found.sources == ("file/file.json", "published.yaml#base_memory")


def test_other_rows_may_be_shown_than_decide() -> None:
    found = measured(where={"variant": "a"}, shown={"change": "shuffle"}, checks=[{"value": "size", "above": 1}])
    assert found.figures == "a 4; b 3"


def test_published_numbers_alone_need_no_rows() -> None:
    """Rounding leaves both open by half a step: 89.03 and 89.03 agree, 89.03 is not above 89.029."""
    for limit, expected in ((0.8903, Ruling.CONFIRMED), (0.891, Ruling.REFUTED)):
        found = measured(
            rows=None, steps={"it": {"sum": ["base_accuracy"]}}, checks=[{"value": "it", "agrees_with": limit}],
            measured="{it:percent}", figures="",
        )  # fmt: skip
        assert found.verdict is expected and found.measured == "89.03"


def test_what_was_not_measured_is_not_testable() -> None:
    nothing = measured(Measurements({}, {"file": "file/file.json"}), checks=[{"value": "size", "above": 1}])
    assert nothing.verdict is Ruling.UNTESTABLE and "file/file.json is not there" in nothing.why
    no_row = measured(where={"variant": "c"}, checks=[{"value": "size", "above": 1}])
    assert no_row.verdict is Ruling.UNTESTABLE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": "file.gone"}, r"file/file\.json has no table gone"),
        ({"where": {"colour": "red"}}, "has no colour"),
        ({"steps": {"x": {"ratio": ["size", "colour"]}}}, "no number colour"),
        ({"steps": {"x": {"ratio": ["size", 0]}}}, "ratio to zero"),
        ({"steps": {"x": {"read": "size", "where": {"variant": "z"}}}}, "no size of the same table"),
        ({"figures": "{colour}"}, "no number colour"),
    ],
)
def test_a_claim_that_asks_for_what_is_not_there_stops_the_report(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ReportError, match=f"claim key: .*{message}"):
        measured(**{"checks": [{"value": "size", "above": 1}], **options})


@pytest.mark.parametrize(
    "options",
    [
        {"checks": [{"value": "size"}]},
        {"checks": [{"value": "size", "above": 1, "below": 2}]},
        {"steps": {"x": {"read": "size", "sum": [1]}}},
        {"steps": {"x": {"power": [1, 2]}}},
        {"why": {"confirmed": "holds"}, "checks": [{"value": "size", "above": 1}]},
        {"why": {"confirmed": "holds", "refuted": "no", "perhaps": "?"}, "checks": [{"value": "size", "above": 1}]},
    ],
)
def test_a_rule_that_does_not_fit_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        measured(**options)


def test_files_that_are_no_measurement_are_refused(tmp_path: Path) -> None:
    for content in ("[1]", "{"):
        (tmp_path / "file.json").write_text(content)
        with pytest.raises(ReportError, match=r"file\.json: .*; measure it again"):
            read_measurements(tmp_path, {"file": "file.json"})
    assert not read_measurements(tmp_path, {"gone": "gone.json"}).content
