"""Rulings on cost from planted ratios and growths."""

from __future__ import annotations

from typing import Any

import pytest

from reports.claims.judgement import Finding, Ruling
from reports.claims.measurements import Measurements
from tests.reports.claims.synthetic_study import judged

LENGTHS = (256, 768, 4096, 16384)
LESS, MORE = [0.5, 0.6, 0.7, 0.8], [1.0, 1.1, 1.2, 1.3]


def growth(ratios: list[float], seconds: list[float], order: int = 1) -> dict[str, Any]:
    """``base`` with FLOPs of this order, and ``other`` with these ratios to it; seconds within ± 0.05."""
    rows = []
    for length, ratio, second in zip(LENGTHS, ratios, seconds, strict=True):
        base = 1000 * length**order
        rows.append({"variant": "base", "length": length, "flops": base, "of_first": None})
        of_first = {"value": second, "low": second - 0.05, "high": second + 0.05}
        rows.append({"variant": "other", "length": length, "flops": round(base * ratio), "of_first": of_first})
    return {"rows": rows}


def measurements(**modes: dict[str, Any]) -> Measurements:
    return Measurements(modes, {mode: f"cost/{mode}/costs.json" for mode in modes})


def cheaper(by: str, **modes: dict[str, Any]) -> Finding:
    return judged({"rule": "cheaper", "variant": "other", "by": by}, measurements=measurements(**modes))


@pytest.mark.parametrize(
    ("ratios", "seconds", "by", "ruling", "why"),
    [
        (LESS, LESS, "FLOPs", Ruling.CONFIRMED, "FLOPs, forward: less at every length"),
        (MORE, LESS, "FLOPs", Ruling.REFUTED, "FLOPs, forward: not less at every length"),
        ([0.5, 0.6, 1.7, 2.8], LESS, "FLOPs", Ruling.NOT_CONFIRMED, "less at 256, 768, not less at 4,096, 16,384"),
        (LESS, [1.1, 1.2, 1.3, 1.4], "seconds", Ruling.REFUTED, "seconds, forward: not less at every length"),
        (LESS, [0.99, 1.01, 1.0, 1.02], "seconds", Ruling.NOT_CONFIRMED, "seconds, forward: undecided at every length"),
        (LESS, [0.9, 1.2, 1.0, 0.9], "seconds", Ruling.NOT_CONFIRMED,
         "less at 256, 16,384, undecided at 4,096, not less at 768"),
    ],
)  # fmt: skip
def test_a_ruling_follows_from_the_intervals(
    ratios: list[float], seconds: list[float], by: str, ruling: Ruling, why: str
) -> None:
    finding = cheaper(by, scaling=growth(ratios, seconds))
    assert finding.verdict is ruling and why in finding.why
    assert finding.sources == ("cost/scaling/costs.json",)
    assert f"{ratios[1]:.2f} at 768" in finding.figures, "both quantities are shown"
    assert f"[{seconds[1] - 0.05:.2f}, {seconds[1] + 0.05:.2f}]" in finding.figures


def test_training_counts_where_it_was_measured() -> None:
    finding = cheaper("FLOPs", scaling=growth(LESS, LESS), scaling_training=growth(MORE, LESS))
    assert finding.verdict is Ruling.NOT_CONFIRMED and len(finding.sources) == 2
    assert "FLOPs, training: not less at every length" in finding.why
    assert finding.measured == "FLOPs: forward × 0.50 to 0.80, training × 1.00 to 1.30"
    finding = cheaper("FLOPs", scaling=growth([2.5, 12.0, 3.0, 4.0], LESS))
    assert finding.measured == "FLOPs: forward × 2.50 to 12.00", "by size, not by letters"


def test_what_was_not_measured_is_not_testable() -> None:
    third = {"rule": "cheaper", "variant": "third"}
    found = judged(third, measurements=measurements(scaling=growth(LESS, LESS)))
    assert found.verdict is Ruling.UNTESTABLE
    assert cheaper("FLOPs").verdict is Ruling.UNTESTABLE
