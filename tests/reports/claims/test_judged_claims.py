"""All claims from all committed evidence: complete, short, traced, and every figure recomputed by hand here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from reports.claims.judgement import Finding, Ruling
from reports.claims.measurements import Measurements, read_measurements
from reports.claims.notes import claim_notes
from reports.claims.rules.effects import Effect, Versus
from reports.published import Published, read_published
from reports.statistics.verdict import Verdict
from reports.study.build import study
from reports.study.families import versus
from reports.study.model import GridStudy, Study
from reports.tables.claims import claims
from tests.committed import RESULTS, SEALED, runs_of

REPORTS = Path(__file__).parents[3] / "reports"
DEFINITION = yaml.safe_load(next(REPORTS.glob("*/table6.yaml")).read_text(encoding="utf-8"))
Judged = Mapping[str, Finding]


@pytest.fixture(scope="module")
def evidence() -> Study:
    return study(SEALED, mix=["device"])


@pytest.fixture(scope="module")
def measurements() -> Measurements:
    return read_measurements(RESULTS, DEFINITION["options"]["measured"])


@pytest.fixture(scope="module")
def judged(evidence: Study, measurements: Measurements) -> Judged:
    known = read_published()
    return {claim.key: claim.decide.judge(claim, evidence, known, measurements) for claim in known.claims}


def test_every_claim_is_judged_in_a_line(judged: Judged) -> None:
    assert {claim.fact for claim in read_published().claims} - {None} == set(range(1, 10))
    for key, each in judged.items():
        assert each.why and len(each.measured.split()) <= 12 and "\n" not in each.measured, each.measured
        assert bool(each.measured) == bool(each.figures), key
        assert each.figures or each.verdict is Ruling.UNTESTABLE, key


def test_every_claim_has_sources_that_exist(judged: Judged) -> None:
    published = read_published()
    keys = {f"published.yaml#{entry.key}" for part in (published.numbers, published.claims) for entry in part}
    for key, each in judged.items():
        for grid, _, below in (source.partition("/") for source in set(each.sources) - keys):
            assert (runs_of(grid) / below).exists(), key
        assert set(each.sources) - keys or each.verdict is Ruling.UNTESTABLE, key


def has_runs(grid: GridStudy, name: str) -> bool:
    arm = grid.arm(name)
    return arm is not None and arm.n > 0


def test_the_words_for_effects_are_those_of_the_study(judged: Judged, evidence: Study) -> None:
    """Each grid's word for an effect, in the claim, is the verdict that the study gives it."""
    compared = 0
    for claim in read_published().claims:
        rule = claim.decide
        for grid in evidence.grids:
            if isinstance(rule, Effect):
                contrasts = [design.main.contrasts for design in grid.effects]
                words = [each.verdict for family in contrasts for each in family if each.name == rule.factor]
            elif isinstance(rule, Versus) and has_runs(grid, rule.arm) and has_runs(grid, rule.control):
                words = [versus(grid, rule.arm, rule.control).verdict]
            else:
                continue
            for word in words:
                compared += 1
                said = [part for part in judged[claim.key].figures.split("; ") if part.startswith(f"{grid.name}")]
                assert any(f", {word or 'no verdict'}" in part for part in said), (claim.key, grid.name)
    assert compared >= 3 * 8 + 2


def test_no_claim_of_better_stands_on_an_effect_that_depends(judged: Judged) -> None:
    depending = [each for each in judged.values() if f"{Verdict.DEPENDS}: " in each.measured]
    assert depending, "windowed interacts with layer_norm on digits"
    for each in depending:
        assert each.verdict is Ruling.NOT_CONFIRMED and "interacts with" in each.figures, each
    assert "windowed without layer_norm −2.77" in judged["accuracy_windowed"].figures
    assert "windowed with layer_norm +13.71" in judged["accuracy_windowed"].figures


def test_points_one_to_nine_come_out_as_their_arithmetic(judged: Judged) -> None:
    """Every number from the published sizes: D 192, N 768, clusters of 4, two layers, three local steps."""
    D, N, C, layers = 192, 768, 192, 2
    local, broadcast = layers * N * 15 * D * D, layers * N * 4 * D * D
    attention = layers * (3 * C * D * D + 2 * C * C * D)
    flop = 2 * (local + broadcast + attention + 2 * D)
    assert round(256 * flop / 1e9) == 587 and round(256 * flop / 4.83e-3 / 1e12) == 122
    assert "587 GFLOP" in judged["latency_base"].figures and "122 TFLOP/s" in judged["latency_base"].figures
    assert "9.1 times" in judged["latency_base"].why, "122 / 13.4"
    shares = [round(100 * 2 * part / flop) for part in (local, broadcast, attention)]
    assert shares == [74, 20, 6]
    assert "local 74 %, broadcast 20 %, cluster attention 6 %" in judged["all_clusters_attended"].figures
    assert (250_000**2 * 4, 2_500_000**2 * 4) == (250_000_000_000, 25_000_000_000_000)
    assert "0.25 TB" in judged["long_context"].figures and "25.00 TB" in judged["long_context"].figures
    table, parts = 30_522 * D, layers * (2 * (D * D + D) + 2 * (3 * D * D + 2 * D) + 3 * (D * D + D) + D * D + D)
    total = table + parts + 2 * D + 2
    assert f"{total:,} of 108 M: {100 * (1 - total / 108e6):.2f} %" in judged["parameters_saved"].figures
    assert f"{table:,} of them" in judged["parameters_saved"].figures and round(table / 1e6, 1) == 5.9
    refuted = ("latency_base", "better_than_word_counts", "order_seen", "feedback_ungated", "all_clusters_attended",
               "pyramid_quarter", "fewer_parameters_by_architecture", "long_context",
               "next_token_model", "attention_mask_used")  # fmt: skip
    assert {key: judged[key].verdict for key in refuted} == dict.fromkeys(refuted, Ruling.REFUTED)
    assert judged["parameters_saved"].verdict is Ruling.CONFIRMED, "the count itself holds"
    assert judged["complexity_original"].verdict is Ruling.CONFIRMED, "C² d of N / cluster_size clusters is a square"


def test_all_eight_are_judged_in_the_fractions_too_whose_base_is_another(judged: Judged) -> None:
    found = judged["accuracy_enhanced"]
    grids = dict(part.split(": ", 1) for part in found.figures.split("; "))
    assert ", worse" in grids["fraction_imdb_quick"] and ", undecided" in grids["fraction_digits"]
    assert "points, against base+shift_residual, p Holm" in grids["fraction_imdb_quick"]


def test_what_was_not_run_is_not_testable(judged: Judged) -> None:
    for key in ("accuracy_base", "long_context_understood", "same_accuracy_as_bert"):
        assert judged[key].verdict is Ruling.UNTESTABLE, key
    reached = judged["accuracy_small"]  # by the recipe of imdb_small_recipe, not by the published one
    assert reached.verdict is Ruling.CONFIRMED and "87.60" in reached.measured and "81.19" in reached.figures


def test_memory_is_of_a_gpu_and_doubled_for_fp32_and_advice_is_no_peak(judged: Judged) -> None:
    rows = json.loads((RESULTS / "cost" / "gpu" / "gpu.json").read_text())["rows"]
    peak = {row["variant"]: row["peak_bytes"] for row in rows if row["mode"] == "forward"}
    for size, ruling in (("base", Ruling.CONFIRMED), ("small", Ruling.UNTESTABLE)):
        found = judged[f"memory_{size}"]
        assert found.verdict is ruling and f"{2 * peak[f'original_{size}'] / 1e9:.2f} GB" in found.measured


EDITS: dict[str, tuple[str, dict[str, Any]]] = {
    "order_seen": ("order", {"difference": 0.1}),
    "feedback_ungated": ("gates", {"parameters": 0}),
    "all_clusters_attended": ("flops", {"by_slot": {"local": 1, "feedback": 1, "cluster": 1, "router": 1}}),
    "next_token_model": ("leaks", {"earlier_changed": 0}),
    "attention_mask_used": ("pads", {"difference": 0.0}),
    "pyramid_quarter": ("pyramids", {"clusters": [192, 48]}),
    "long_context": ("scores", {"bytes": 10**9}),
    "fewer_parameters_by_architecture": ("parameters", {"without_embedding": 4_000_000}),
    "parameters_base": ("parameters", {"total": 6_810_000}),
    "latency_base": ("flops", {"total": 10**8}),
}


def changed(measurements: Measurements, edit: Callable[[dict[str, Any]], Any]) -> Measurements:
    """The committed measurements with an edit of the properties."""
    content = json.loads(json.dumps(measurements.content))
    edit(content["properties"])
    return Measurements(content, measurements.sources)


@pytest.mark.parametrize("key", EDITS)
def test_other_evidence_gives_another_verdict(key: str, evidence: Study, measurements: Measurements) -> None:
    part, new = EDITS[key]
    other = changed(measurements, lambda properties: [row.update(new) for row in properties[part]])
    published = read_published()
    claim = next(claim for claim in published.claims if claim.key == key)
    before, after = (claim.decide.judge(claim, evidence, published, each) for each in (measurements, other))
    assert before.verdict is not after.verdict


def test_contradicting_scores_are_refuted(measurements: Measurements) -> None:
    raw = yaml.safe_load((REPORTS / "published.yaml").read_text(encoding="utf-8"))
    for number in raw["numbers"]:
        number["value"] = 95.0 if number["key"] == "base_f1" else number["value"]
    published = Published.model_validate(raw)
    claim = next(claim for claim in published.claims if claim.key == "precision_recall_f1_base")
    found = claim.decide.judge(claim, study([SEALED[0]]), published, measurements)
    assert found.verdict is Ruling.REFUTED


def test_every_claim_says_what_would_change_its_verdict(evidence: Study) -> None:
    (table,) = claims(evidence, measured=DEFINITION["options"]["measured"])
    for row in table.rows:
        assert row.detail[-1].startswith("What would change it: "), row.title
        assert row.detail[-1].removeprefix("What would change it: ").rstrip(), row.title
    last = {row.entries[5].text: row.detail[-1] for row in table.rows}
    assert "published_base.yaml" in last["accuracy_base"] and "86.20 %" in last["accuracy_small"]
    assert "no further grid" not in last["accuracy_enhanced"] and "refuted, were it worse" in last["accuracy_enhanced"]


def test_a_row_of_the_table_names_its_claim_first(evidence: Study) -> None:
    (table,) = claims(evidence, measured=DEFINITION["options"]["measured"])
    assert [row.entries[5].text for row in table.rows] == [claim.key for claim in read_published().claims]
    for row in table.rows:
        assert {each.sources[0] for each in row.entries} == {f"published.yaml#{row.entries[5].text}"}
        assert len(row.entries[1].text) <= 80 and "\n" not in row.entries[1].text


def test_what_is_missing_is_counted_before_the_table_and_named_below_it(evidence: Study) -> None:
    (table,) = claims(evidence, measured=DEFINITION["options"]["measured"])
    (warning,) = table.warnings
    for grid in evidence.grids:
        missing = sum(grid.counts.values()) - grid.counts["COMPLETED"]
        assert (f"{missing} of {sum(grid.counts.values())} runs of {grid.name}" in warning) is (missing > 0)
        for said in grid.warnings:
            assert any(said in note for note in table.notes)


def test_the_notes_say_at_what_scale(evidence: Study) -> None:
    published = read_published()
    notes = " ".join(claim_notes(evidence, published))
    assert "fraction_imdb_quick (task imdb, d_model 64" in notes and "num_layers 2, seq_len 128" in notes
    assert "published sizes on the whole of IMDb were not tested" in notes
    assert {claim.document for claim in published.claims} <= set(notes.replace(":", " ").split())
    plain = study([RESULTS / "demo"])
    assert "No factorial or fractional design" in " ".join(claim_notes(plain, published))
