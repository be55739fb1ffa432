"""The commands that measure cost: what they leave, what they refuse, what they report as missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from experiments import benchmark, scaling
from experiments.measure import benchmark_rows, scaling_rows
from experiments.measure.command import new_folder
from experiments.measure.measured import CostArm, Timed, arm_at
from reports.errors import ReportError
from reports.study.costs import check_costs
from swarmformer.cost import machine
from swarmformer.cost.limits import Work
from swarmformer.cost.machine import Limits
from swarmformer.cost.memory import TooLargeError
from swarmformer.cost.rounds import Samples
from swarmformer.errors import SpecError
from swarmformer.records import BenchmarkCosts, BenchmarkRow, Costs, ScalingCosts, load
from swarmformer.variants import load_variant

SMALL = ["model.dims.d_model=8", "model.dims.vocab_size=50", "model.dims.seq_len=32"]
LISTOPS = ["data.task.name=listops", "data.task.max_length=24", "data.task.min_length=4", "data.task.max_depth=2"]
LISTOPS += [f"data.task.num_{split}=40" for split in ("train", "validation", "test")]
MEMORY = {
    "peak_bytes": 3 * 2**20, "growth_bytes": 2**20, "method": "VmHWM", "call_s": 0.01,
    "device_allocated_bytes": None, "device_reserved_bytes": None,
}  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(machine.COPY_BYTES, "cpu", 2**22)
    monkeypatch.setitem(machine.SHAPES, "cpu", ((256, 256, 256),))
    monkeypatch.setattr(benchmark_rows, "LEAST_LIMIT_S", 0.1)


def costs_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "costs.json").read_text())


def test_fixed_shapes(tmp_path: Path, own_signals: None, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["variants=[original_small,base]", "lengths=[16,37]", "batches=2", "modes=[forward,training]"]
    words += ["precision=[fp32,bf16_weights]", "memory=False", "budget_s=0.1", f"runs={tmp_path}", "name=a", *SMALL]
    assert benchmark.main(["with", *words]) == 0
    costs, said = costs_of(tmp_path / "a"), capsys.readouterr().out
    kept = {
        (row["variant"], row["mode"], row["precision"], row["length"], row["batch"], row["seq_len_raised_from"])
        for row in costs["rows"]
    }
    assert kept == {
        (variant, mode, precision, length, 2, 32 if length == 37 else None)
        for mode, precision in (("forward", "fp32"), ("forward", "bf16_weights"), ("training", "fp32"))
        for variant, length in (("original_small", 16), ("base", 16), ("base", 37))
    }
    gaps = {(gap["variant"], gap["length"], gap["reason"].split(";")[0]) for gap in costs["missing"]}
    assert {(name, length) for name, length, _ in gaps} == {
        ("original_small", 37),
        *((v, n) for v, n in (("original_small", 16), ("base", 16), ("base", 37))),
    }
    assert ("base", 16, "training keeps its weights in fp32") in gaps
    assert "missing: original_small (length 37)" in said and "of least" in said
    assert {found["measured_for"] for found in costs["limits_by"]} == {"fp32", "bf16_weights"}
    assert all(row["flops"] and 0 < row["share_of_limit"] <= row["share_of_least"] for row in costs["rows"])
    # Fast paths save operations; rows are held against those that are left.
    forward = [row for row in costs["rows"] if row["mode"] == "forward"]
    assert all(row["computed_flops"] < row["flops"] for row in forward)
    measured = load(tmp_path / "a" / "costs.json", BenchmarkCosts)
    assert measured.settings["lengths"] == [16, 37] and measured.start.packages["torch"] == torch.__version__
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"costs.json", "sacred"}
    assert measured.limits.matmul_flops_per_s == max(found.matmul_flops_per_s for found in measured.limits_by)
    record = load(tmp_path / "a" / "costs.json", Costs)
    check_costs(record, "a")
    row = record.rows[0].model_copy(update={"median_s": record.rows[0].median_s / 1e5})
    with pytest.raises(ReportError, match="A figure above physics"):
        check_costs(record.model_copy(update={"rows": (row,)}), "a")

    assert benchmark.main(["with", *words]) == 1
    assert "holds a measurement already" in capsys.readouterr().err


def test_real_texts(tmp_path: Path, own_signals: None, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["variants=[original_small,base]", "modes=[single_stream,offline]", "texts=12", "budget_s=0.1"]
    words += ["model.dims.d_model=8", "model.dims.seq_len=24", f"runs={tmp_path}", *LISTOPS]
    assert benchmark.main(["with", *words]) == 0
    rows = load(tmp_path / "benchmark" / "costs.json", BenchmarkCosts).rows
    assert {(row.variant, row.mode, row.tokenised) for row in rows} == {
        (variant, mode, tokenised)
        for variant in ("original_small", "base")
        for mode in ("single_stream", "offline")
        for tokenised in (False, True)
    }
    assert all(row.texts >= 10 and row.mlperf_least_s == 600 for row in rows)
    padded = {row.variant: row.padded_tokens for row in rows}
    assert rows[0].real_tokens <= padded["base"] < padded["original_small"] == 12 * 24
    assert "MLPerf asks for 600 s" in capsys.readouterr().out


def test_what_is_too_large_is_missing(
    tmp_path: Path, own_signals: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def memory(spec: Any, *, batch: int, **options: Any) -> dict[str, Any]:
        if batch == 3:
            raise TooLargeError("needs more memory than 1.0 GiB")
        return MEMORY

    monkeypatch.setattr(benchmark_rows, "measure_memory", memory)
    words = ["variants=base", "lengths=16", "batches=[1,3]", "budget_s=0.2", f"runs={tmp_path}", *SMALL]
    assert benchmark.main(["with", *words]) == 0
    costs = costs_of(tmp_path / "benchmark")
    assert [(row["batch"], row["peak_bytes"]) for row in costs["rows"]] == [(1, 3 * 2**20)]
    assert "(mode forward, length 16, batch 3, precision fp32): needs more memory" in capsys.readouterr().out


def test_a_row_above_the_limit_leaves_no_costs(
    tmp_path: Path, own_signals: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark_rows, "limits_for", lambda *a: Limits(1.0, 1e12, (1, 1, 1), "none"))
    words = ["variants=base", "lengths=16", "memory=False", "budget_s=0.1", f"runs={tmp_path}", *SMALL]
    assert benchmark.main(["with", *words]) == 1
    assert "breaks physics" in capsys.readouterr().err
    assert not (tmp_path / "benchmark" / "costs.json").exists()


@pytest.mark.parametrize("command", [benchmark, scaling])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["variants=[base,bse]"], "unknown variant 'bse'. Did you mean 'base'"),
        (["varants=base"], "unknown key 'varants'. Did you mean 'variants'"),
        (["lengths=[256,long]"], "lengths.1: Input should be a valid integer"),
        (["lengths=[0,1]"], "greater than or equal to 1"),
        (["precision=fp16"], "precision"),
        (["budget_s=0"], "budget_s"),
        (["model.local.windw=3"], "windw"),
        (["name=../x"], "plain name"),
        (["device=gpu"], "unknown device"),
    ],
)
def test_faults_end_with_one_message(
    command: Any, words: list[str], message: str, tmp_path: Path, own_signals: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["with", f"runs={tmp_path}", *words]) == 1
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [(["modes=offline"], "names no task: set data.task"), (["modes=traning"], "modes"), (["texts=0"], "texts")],
)
def test_faults_of_the_benchmark(
    words: list[str], message: str, tmp_path: Path, own_signals: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main(["with", f"runs={tmp_path}", *words]) == 1
    assert message in capsys.readouterr().err


def test_growth(
    tmp_path: Path, own_signals: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def memory(spec: Any, *, length: int, **options: Any) -> dict[str, Any]:
        return {**MEMORY, "growth_bytes": 10 * length, "call_s": 99.0 if length == 256 else 0.01}

    monkeypatch.setattr(scaling_rows, "measure_memory", memory)
    words = ["variants=[base,base+windowed]", "lengths=[32,64,128,256]", "budget_s=0.2", f"runs={tmp_path}", *SMALL]
    assert scaling.main(["with", *words]) == 0
    costs = load(tmp_path / "scaling" / "costs.json", ScalingCosts)
    assert [(gap.variant, gap.length) for gap in costs.missing] == [("base", 256), ("base+windowed", 256)]
    assert "one call takes 99 s; call_s is 30" in costs.missing[0].reason
    base, windowed = costs.growth
    assert base.lengths == windowed.lengths == (32, 64, 128)
    assert base.memory.value == pytest.approx(1.0)
    assert 0.99 < windowed.flops.value < 1.05 and windowed.flops.low is not None
    assert [(step.shorter, step.longer) for step in base.local_seconds] == [(32, 64), (64, 128)]
    parameters = {(row.variant, row.parameters.total) for row in costs.rows}
    assert len(parameters) == 2, "of each variant, whatever the length"
    first = [row.of_first.model_dump() for row in costs.rows if row.variant == "base"]
    assert first == [{"value": 1.0, "low": 1.0, "high": 1.0}] * 3
    step = costs_of(tmp_path / "scaling")["growth"][0]["local_seconds"][0]
    assert (step["from"], step["to"]) == (32, 64), "the file's own words"
    check_costs(load(tmp_path / "scaling" / "costs.json", Costs), "scaling")
    assert "seconds ∝ N^" in capsys.readouterr().out


def test_a_wrong_row_is_refused_before_it_is_written() -> None:
    arm = arm_at(load_variant("base"), 16)
    assert isinstance(arm, CostArm)
    columns = {**arm.columns(), "mode": "forward", "batch": 1, "texts_per_s": 2.0}
    limits, same = Limits(1e9, 1e9, (1, 1, 1), "none"), {"threads": 1, "precision": "fp32"}
    timed = Timed("base", columns, Samples((0.5,), (0.0, 0.0)), Work(8, 8))
    assert timed.judged(BenchmarkRow, limits, **same).share_of_least == pytest.approx(1.6e-8)
    for wrong in ({"batch": "1"}, {"length": 0}, {"texts_per_s": None}, {"growth_bytes": -1}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            timed.judged(BenchmarkRow, limits, **same, **wrong)


@pytest.mark.parametrize("name", ["costs.json", "figures.json", "gpu.json"])
def test_no_measurement_is_overwritten(name: str, tmp_path: Path) -> None:
    assert new_folder(str(tmp_path), "mine") == tmp_path / "mine"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).touch()
    with pytest.raises(SpecError, match="holds a measurement already"):
        new_folder(str(tmp_path), "mine")
