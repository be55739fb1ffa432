"""Rulings on cost from planted ratios and growths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.claims.cost import cheaper, order
from reports.claims.decide import Cheaper, Order
from reports.claims.finding import Context, Finding, Ruling
from reports.evidence import gather
from reports.published import read_published
from tests.reports.synthetic_runs import write_grid
from tests.reports.test_cost import growth


def context(folder: Path, **modes: object) -> Context:
    for mode, content in modes.items():
        path = folder / "cost" / mode / "costs.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    grid = write_grid(folder / "demo", {"base": {0: 0.5}})
    return Context(gather([grid]), read_published(), folder)


def found(folder: Path, ratios: list[float], seconds: list[float], by: str) -> Finding:
    rule = Cheaper.model_validate({"rule": "cheaper", "variant": "other", "by": by})
    return cheaper(context(folder, scaling=growth(ratios, seconds)), rule)


LESS, MORE = [0.5, 0.6, 0.7, 0.8], [1.0, 1.1, 1.2, 1.3]


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
    tmp_path: Path, ratios: list[float], seconds: list[float], by: str, ruling: Ruling, why: str
) -> None:
    finding = found(tmp_path, ratios, seconds, by)
    assert finding.ruling is ruling and why in finding.why
    assert finding.sources == ("cost/scaling/costs.json",)
    assert f"{ratios[1]:.2f} at 768" in finding.figures, "both quantities are shown"
    assert f"[{seconds[1] - 0.05:.2f}, {seconds[1] + 0.05:.2f}]" in finding.figures


def test_training_counts_where_it_was_measured(tmp_path: Path) -> None:
    both = context(tmp_path, scaling=growth(LESS, LESS), scaling_training=growth(MORE, LESS))
    finding = cheaper(both, Cheaper(rule="cheaper", variant="other"))
    assert finding.ruling is Ruling.NOT_CONFIRMED and len(finding.sources) == 2
    assert "FLOPs, training: not less at every length" in finding.why


def test_what_was_not_measured_is_not_testable(tmp_path: Path) -> None:
    some = context(tmp_path, scaling=growth(LESS, LESS))
    assert cheaper(some, Cheaper(rule="cheaper", variant="third")).ruling is Ruling.UNTESTABLE
    none = Context(some.evidence, some.published, tmp_path / "nothing")
    assert cheaper(none, Cheaper(rule="cheaper", variant="other")).ruling is Ruling.UNTESTABLE
    assert order(none, Order(rule="order", variant="base", exponent=2)).ruling is Ruling.UNTESTABLE


@pytest.mark.parametrize(
    ("grows", "ruling", "times"), [(1, Ruling.REFUTED, "4.0 times"), (2, Ruling.CONFIRMED, "16.0")]
)
def test_an_order_is_held_against_the_growth(tmp_path: Path, grows: int, ruling: Ruling, times: str) -> None:
    seen = context(tmp_path, scaling=growth([1.0] * 4, [1.0] * 4, grows))
    finding = order(seen, Order(rule="order", variant="base", exponent=2))
    assert finding.ruling is ruling and times in finding.figures and "16 times" in finding.why
