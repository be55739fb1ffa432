"""The table of claims from committed evidence: complete, every figure recomputed by hand here, every source there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reports.claims.decide import Decide
from reports.claims.finding import Context, Finding, Ruling
from reports.claims.properties import SOURCE, Properties
from reports.claims.rules import RULES, judge
from reports.definition import Definition
from reports.errors import ReportError
from reports.evidence import Evidence, gather
from reports.makers.claims import RESULTS, claims
from reports.published import Published, read_published
from reports.sheet import Sheet
from reports.sources import root_of, sources_json

NAMES = ("imdb_small", "imdb_learning_rate", "streams", "mqar")
TABLE = Definition(name="table6", title="Claims", table="claims")


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return gather([RESULTS / name for name in NAMES])


@pytest.fixture(scope="module")
def sheet(evidence: Evidence) -> Sheet:
    (made,) = claims(evidence, TABLE)
    return made


@pytest.fixture(scope="module")
def found(evidence: Evidence) -> Mapping[str, Finding]:
    context = Context(evidence, read_published(), RESULTS)
    return {claim.key: judge(context, claim) for claim in context.published.claims}


def test_every_claim_has_a_row_and_every_rule_a_function(sheet: Sheet) -> None:
    listed = read_published().claims
    assert [row[6].text for row in sheet.rows] == [claim.key for claim in listed]
    assert {row[0].raw["fact"] for row in sheet.rows} - {None} == set(range(1, 10))
    assert all(row[4].text in set(Ruling) and row[5].text for row in sheet.rows)
    rules = {member.model_fields["rule"].annotation.__args__[0] for member in Decide.__args__}  # type: ignore[union-attr]
    assert rules == set(RULES)


def test_every_verdict_has_sources_that_exist(sheet: Sheet, evidence: Evidence, tmp_path: Path) -> None:
    keys = {
        f"published.yaml#{entry.key}" for part in (read_published().numbers, read_published().claims) for entry in part
    }
    for row in sheet.rows:
        verdict = row[4]
        assert verdict.sources
        for source in verdict.sources:
            assert source in keys or (RESULTS / source).exists(), source
        if verdict.text != Ruling.UNTESTABLE:
            assert any(root_of(source) != "published.yaml" for source in verdict.sources), row[6].text
    assert json.loads(sources_json([sheet], evidence, tmp_path))["roots"]["properties"]


def test_points_one_to_nine_come_out_as_their_arithmetic(found: Mapping[str, Finding]) -> None:
    """Every number from the published sizes: D 192, N 768, clusters of 4, two layers, three local steps."""
    D, N, C, layers = 192, 768, 192, 2
    local, broadcast = layers * N * 15 * D * D, layers * N * 4 * D * D
    attention = layers * (3 * C * D * D + 2 * C * C * D)
    flop = 2 * (local + broadcast + attention + 2 * D)
    assert round(256 * flop / 1e9) == 587 and round(256 * flop / 4.83e-3 / 1e12) == 122
    assert "587 GFLOP" in found["latency_base"].figures and "122 TFLOP/s" in found["latency_base"].figures
    assert "9.1 times" in found["latency_base"].why, "122 / 13.4"
    shares = [round(100 * 2 * part / flop) for part in (local, broadcast, attention)]
    assert shares == [74, 20, 6]
    assert "local 74 %, broadcast 20 %, cluster attention 6 %" in found["all_clusters_attended"].figures
    assert (250_000**2 * 4, 2_500_000**2 * 4) == (250_000_000_000, 25_000_000_000_000)
    assert "0.25 TB" in found["long_context"].figures and "25.0 TB" in found["long_context"].figures
    table, parts = 30_522 * D, layers * (2 * (D * D + D) + 2 * (3 * D * D + 2 * D) + 3 * (D * D + D) + D * D + D)
    total = table + parts + 2 * D + 2
    assert f"{total:,} of 108 M: {100 * (1 - total / 108e6):.2f} %" in found["parameters_saved"].figures
    assert f"{table:,} of them" in found["parameters_saved"].figures and round(table / 1e6, 1) == 5.9
    refuted = ("latency_base", "better_than_word_counts", "order_seen", "feedback_ungated", "all_clusters_attended",
               "complexity_original", "pyramid_quarter", "fewer_parameters_by_architecture", "long_context",
               "next_token_model", "attention_mask_used")  # fmt: skip
    assert {key: found[key].ruling for key in refuted} == dict.fromkeys(refuted, Ruling.REFUTED)
    assert found["parameters_saved"].ruling is Ruling.CONFIRMED, "the count itself holds"


def test_what_was_not_run_is_not_testable(found: Mapping[str, Finding]) -> None:
    for key in ("accuracy_base", "accuracy_windowed", "memory_base", "windowed_beyond_order", "same_accuracy_as_bert"):
        assert found[key].ruling is Ruling.UNTESTABLE, key
    assert found["accuracy_small"].ruling is Ruling.NOT_CONFIRMED and "81.19" in found["accuracy_small"].figures


def changed(tmp_path: Path, evidence: Evidence, edit: Any) -> Context:
    """A context whose properties are the committed ones with an edit."""
    record = json.loads((RESULTS / SOURCE).read_text(encoding="utf-8"))
    edit(record)
    path = tmp_path / SOURCE
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record), encoding="utf-8")
    return Context(evidence, read_published(), tmp_path)


def rows(record: dict[str, Any], key: str, **where: Any) -> list[dict[str, Any]]:
    return [row for row in record[key] if all(row[name] == value for name, value in where.items())]


EDITS: dict[str, tuple[str, Any]] = {
    "order_seen": ("order", {"difference": 0.1}),
    "feedback_ungated": ("gates", {"parameters": 0}),
    "next_token_model": ("leaks", {"earlier_changed": 0}),
    "attention_mask_used": ("pads", {"difference": 0.0}),
    "pyramid_quarter": ("pyramids", {"clusters": [192, 48]}),
    "long_context": ("scores", {"bytes": 10**9}),
    "fewer_parameters_by_architecture": ("parameters", {"without_embedding": 4_000_000}),
    "parameters_base": ("parameters", {"total": 6_810_000}),
    "latency_base": ("flops", {"total": 10**8}),
}


@pytest.mark.parametrize("key", EDITS)
def test_other_evidence_gives_another_verdict(
    tmp_path: Path, evidence: Evidence, found: Mapping[str, Finding], key: str
) -> None:
    part, new = EDITS[key]
    context = changed(tmp_path, evidence, lambda record: [row.update(new) for row in record[part]])
    claim = next(claim for claim in context.published.claims if claim.key == key)
    assert judge(context, claim).ruling is not found[key].ruling


def test_a_damaged_measurement_stops_the_table_and_a_missing_one_leaves_gaps(
    tmp_path: Path, evidence: Evidence
) -> None:
    context = changed(tmp_path, evidence, lambda record: record.pop("gates"))
    with pytest.raises(ReportError, match=r"gates.*experiments\.properties"):
        _ = context.properties
    none = Context(evidence, read_published(), tmp_path / "nothing")
    claim = next(claim for claim in none.published.claims if claim.key == "order_seen")
    assert judge(none, claim).ruling is Ruling.UNTESTABLE


def test_contradicting_scores_are_refuted(evidence: Evidence) -> None:
    published = read_published()
    raw = published.model_dump()
    for number in raw["numbers"]:
        number["value"] = 95.0 if number["key"] == "base_f1" else number["value"]
    context = Context(evidence, Published.model_validate(raw), RESULTS)
    claim = next(claim for claim in context.published.claims if claim.key == "precision_recall_f1_base")
    assert judge(context, claim).ruling is Ruling.REFUTED


def test_memory_at_a_smaller_batch_is_scaled(tmp_path: Path, evidence: Evidence) -> None:
    def edit(record: dict[str, Any]) -> None:
        (row,) = rows(record, "memory", variant="original_base", mode="training", fast=False)
        row.update(batch=64, peak_bytes=5_000_000_000, growth_bytes=4_000_000_000)

    context = changed(tmp_path, evidence, edit)
    claim = next(claim for claim in context.published.claims if claim.key == "memory_base")
    assert "5.00 GB at batch 64, by arithmetic 17.0 GB at 256" in judge(context, claim).figures
    assert isinstance(context.properties, Properties)
