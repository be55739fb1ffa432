"""Measured properties against arithmetic done by hand here, and against what the parts are known to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from experiments.properties import behaviour, memory, next_token, norms, sizes
from experiments.properties.__main__ import main
from swarmformer.records import Norms, NormsReading, load


def test_the_original_is_blind_where_positions_see() -> None:
    rows = {
        (row.variant, row.change): row.difference
        for variant in ("original_small", "base+positions")
        for row in behaviour.order_rows(variant, torch.float64)
    }
    for change in ("reversal", "rotation by a cluster"):
        assert rows["original_small", change] < 1e-12 * max(1.0, rows["original_small", "shuffle"])
        assert rows["base+positions", change] > 1e-6
    assert rows["original_small", "shuffle"] > 1e-6, "a model that sees nothing would be blind as well"


def test_norms_stand_where_they_are_said_to_and_are_read_before_and_after_a_step() -> None:
    patch = {"model": {"dims": {"d_model": 8, "num_layers": 1}}}
    found = {places: list(norms.readings(places, patch, steps=1, every=1)) for places in ("none", "final", "all")}
    assert [reading.step for reading in found["all"]] == [0, 1]
    first = {places: rows[0] for places, rows in found.items()}
    # States of the last layer are read before the final norm, pooled ones after it.
    assert first["none"].tokens == pytest.approx(first["final"].tokens) and first["none"].loss != first["final"].loss
    assert first["all"].texts != first["final"].texts
    assert all(reading.embedding > 0 for rows in found.values() for reading in rows)


def test_values_of_norms_are_read_as_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []
    monkeypatch.setattr(norms, "readings", lambda places, patch, steps, every: asked.append(patch) or [])
    words = ["--out", str(tmp_path), "--places", "none", "--set"]
    assert norms.main([*words, "train.lr=1e-3", "data.task=digits", "data.task.limit=9"]) == 0
    assert asked == [{"train": {"lr": 1e-3}, "data": {"task": {"name": "digits", "limit": 9}}}]
    assert norms.main([*words, "train.lr"]) == 1 and "write KEY=VALUE" in capsys.readouterr().err


def test_a_gradient_that_is_no_number_costs_no_measurement_and_neither_does_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def readings(places: str, *_: object) -> Iterator[NormsReading]:
        if places == "all":
            raise KeyboardInterrupt
        yield NormsReading(places=places, step=0, loss=0.7, tokens=0.5, texts=0.5, embedding=float("nan"))

    monkeypatch.setattr(norms, "readings", readings)
    assert norms.main(["--out", str(tmp_path), "--places", "none", "all"]) == 130
    assert [row.embedding for row in load(tmp_path / "norms.json", Norms).rows] == [None]


def test_spread_is_of_rows_over_their_size() -> None:
    assert norms._spread(torch.ones(4, 3)) == 0
    assert norms._spread(torch.tensor([[3.0], [1.0]])) == pytest.approx(1 / 5**0.5)


def test_the_gate_is_there_and_matters() -> None:
    row = behaviour.gate_row("original_small")
    D = 128
    assert row.parameters == 2 * (2 * D * D + D + D * D + D)
    assert 0.1 < row.mean_opening < 0.9 and row.difference_held_open > 0.01


def test_lumenspark_leaks_and_takes_pads_for_tokens_and_need_not() -> None:
    leaks = {row.variant: row for row in behaviour.MEASUREMENTS["leaks"]()}
    published, causal = leaks["lumenspark_published"], leaks["lumenspark, causal"]
    assert published.earlier_changed == published.length - 1 and published.least_earlier > 1e-6
    assert causal.earlier_changed == 0 and causal.last > 1e-6
    pads = {row.variant: row.difference for row in behaviour.MEASUREMENTS["pads"]()}
    assert pads["lumenspark_published"] > 1e-6 and pads["lumenspark, pads masked"] < 1e-12


def test_only_a_leak_predicts_what_nothing_predicts() -> None:
    leaky, causal = (next_token.row(variant, steps=120) for variant in ("lumenspark_published", "lumenspark_lm"))
    assert leaky["earlier"] < 14 and 15.5 < causal["earlier"] < 17, "of 16 tokens, drawn evenly"
    assert leaky["last"] > 15.5 and causal["last"] > 15.5, "whose answer is not in the text"


def test_flops_are_those_of_the_published_arithmetic() -> None:
    rows = {row.variant: row for row in sizes.MEASUREMENTS["flops"]()}
    for variant, D, N, size in (("original_base", 192, 768, 4), ("original_small", 128, 256, 8)):
        C = N // size
        local, attention, feedback = 2 * N * 15 * D * D, 2 * (3 * C * D * D + 2 * C * C * D), 2 * N * 4 * D * D
        by_slot = rows[variant].by_slot
        assert [by_slot[slot] for slot in ("local", "cluster", "feedback", "router")] == [
            2 * local, 2 * attention, 2 * feedback, 0,
        ]  # fmt: skip
        assert rows[variant].total == 2 * (local + attention + feedback) + 4 * D


def test_parameters_clusters_and_scores() -> None:
    parameters = {row.variant: row for row in sizes.parameter_rows()}
    base = parameters["original_base"]
    assert base.total - base.without_embedding == 30_522 * 192
    assert parameters["bag_of_embeddings, width of Base"].total == 30_522 * 192 + 2 * 192 + 2
    assert sizes.bert_rows()[0].total == 108_891_648, "BERT-base uncased without its pooler, as torch counts it"
    clusters = {(row.variant, row.layers): row.clusters for row in sizes.MEASUREMENTS["pyramids"]()}
    assert clusters["original_base+pyramid", 2] == (192, 96)
    assert clusters["original_base+pyramid", 3] == (192, 96, 48)
    scores = {(row.variant, row.length): row.bytes for row in sizes.score_rows()}
    assert scores["original_base", 1_000_000] == 250_000**2 * 4 == 0.25e12
    for row in sizes.longest_rows():
        size = {"original_base": 4, "original_small": 8}[row.variant]
        clusters_that_fit = row.length // size
        assert 4 * clusters_that_fit**2 <= row.memory_bytes < 4 * (clusters_that_fit + 1) ** 2


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_missing_and_a_smaller_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PUBLISHED", ("original_small",))
    monkeypatch.setattr(memory, "MODES", ("forward",))
    monkeypatch.setattr(memory, "free_memory", lambda: 100 * 2**20)
    rows, missing = memory.memory_rows(1, batches=(512, 2))
    plain = next(row for row in rows if not row.fast)
    assert plain.batch == 2 and plain.peak_bytes > plain.growth_bytes > 0
    assert missing[0].batch == 512 and "more memory" in missing[0].reason


def test_a_finished_measurement_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "properties.json").write_text(json.dumps({}))
    assert main(["--out", str(tmp_path)]) == 1 and "holds a measurement already" in capsys.readouterr().err
    assert (tmp_path / "properties.json").read_text() == "{}"
