"""The table of a GPU's figures, on the processor at hand and at small sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._inductor.exc import InductorError

from experiments import benchmark
from experiments.measure import gpu
from experiments.measure.gpu import HEAD, SIZES, Case, Settings, Size, cases, cells, measure, show
from swarmformer.code import library_code, start
from swarmformer.cost.machine import Limits
from swarmformer.errors import MemoryExhaustedError
from swarmformer.records import GpuBenchmark, load, save

CPU = torch.device("cpu")
SMALL = {"model": {"dims": {"d_model": 16, "vocab_size": 50, "num_layers": 1}}}


def begun() -> dict[str, Any]:
    return {"settings": {}, "start": start(CPU, library_code())}


@pytest.mark.slow
def test_the_table_has_each_size_pass_and_precision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = [Size("original_base", 16, 4, 2, 10.0, 9e9), Size("original_small", 8, 4, 2, 1e-9, 8e9)]
    found = measure(Settings(budget_s=0.1, ways=["eager"]), sizes, CPU, SMALL, begun())
    rows = found.rows
    assert len(rows) == len(list(cases(sizes, Settings(ways=["eager"])))) == 12 and found.missing == ()
    assert set(found.limits) == {"fp32", "tf32", "bf16"}
    for row in rows:
        shown = dict(zip(HEAD, cells(row), strict=True))
        forward = row.mode == "forward"
        assert shown["reached"] == (("yes" if row.variant == "original_base" else "no") if forward else "")
        assert (row.epoch_s is None) == forward and 0 < row.share_of_limit <= 1.05
        if not forward:
            assert row.epoch_s == pytest.approx(11_250 * row.median_s)
    save(tmp_path / "gpu.json", found)
    assert load(tmp_path / "gpu.json", GpuBenchmark) == found
    show(tmp_path / "gpu.json")
    assert "ceilings, TFLOP/s: fp32 " in capsys.readouterr().out


def test_a_clock_that_rises_while_it_is_measured_costs_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of before are below what is reached; those of after are not."""
    rates = iter([1.0, 1e18])
    monkeypatch.setattr(gpu, "limits_for", lambda *arguments: Limits(next(rates), 1e18, (1, 1, 1), "none"))
    size = Size("original_small", 8, 4, 2, 1e-9, 8e9)
    monkeypatch.setattr(gpu, "cases", lambda sizes, settings: [Case(size, "forward", "fp32", "eager")])
    found = measure(Settings(budget_s=0.1, ways=["eager"]), [size], CPU, SMALL, begun())
    assert found.missing == () and len(found.rows) == 1
    assert found.limits["fp32"].matmul_flops_per_s == 1e18 == found.rows[0].limit_flops_per_s


@pytest.mark.parametrize(("error", "reason"), [
    (InductorError(RuntimeError("gcc: command not found"), lambda: None), "InductorError: RuntimeError: gcc: command"),
    (MemoryExhaustedError("out of memory with 2 texts"), "MemoryExhaustedError: out of memory with 2 texts"),
    (torch.AcceleratorError("CUDA error: out of memory"), "AcceleratorError: CUDA error: out of memory"),
    (MemoryError(), "MemoryError: no word"), (ValueError("a fault of ours"), None),
])  # fmt: skip
def test_what_one_pass_fails_of_costs_its_row_alone(
    error: Exception, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(gpu, "limits_for", lambda *arguments: Limits(1e18, 1e18, (1, 1, 1), "none"))
    monkeypatch.setattr(gpu, "_timed", fails)
    settings = Settings(budget_s=0.1, ways=["compiled"], computes_in=["fp32"])
    size = Size("original_small", 8, 4, 2, 1e-9, 8e9)
    if reason is None:
        with pytest.raises(type(error), match=str(error)):
            measure(settings, [size], CPU, SMALL, begun())
        return
    found = measure(settings, [size], CPU, SMALL, begun())
    assert found.rows == () and [gap.mode for gap in found.missing] == ["forward", "training"]
    assert all(gap.reason.startswith(reason) and gap.way == "compiled" for gap in found.missing)


def test_the_published_sizes_are_those_of_their_cards() -> None:
    found = [(size.length, size.forward, size.training, size.stated_s) for size in SIZES]
    assert found == [(768, 256, 48, 4.83e-3), (256, 256, 96, 3.67e-3)]
    assert len(list(cases(SIZES, Settings()))) == 36
    assert {case.precision for case in cases(SIZES, Settings(computes_in=["tf32"]))} == {"fp32"}
    assert len(list(cases(SIZES, Settings(computes_in=["bf16"], ways=["eager"])))) == 4


def test_settings_are_read_again_from_the_plain_values_that_a_run_records() -> None:
    """A run was planned with a tuple, and refused the list that its record made of it."""
    settings = Settings(computes_in=["bf16", "tf32"], ways=["eager"])
    assert Settings(**json.loads(json.dumps(settings.model_dump()))) == settings


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_so(tmp_path: Path, own_signals: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["gpu", f"runs={tmp_path}"]) == 1
    assert "bench gpu needs a CUDA device, and torch finds none here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_whole_table_on_a_gpu(tmp_path: Path, own_signals: None, capsys: pytest.CaptureFixture[str]) -> None:
    ways = ["eager", "captured"]
    assert benchmark.main(["gpu", f"runs={tmp_path}", "budget_s=20", f"ways={json.dumps(ways)}"]) == 0
    assert "original_base" in capsys.readouterr().out
    found = load(tmp_path / "gpu-1" / "gpu.json", GpuBenchmark)
    assert found.missing == ()
    assert len(found.rows) == len(list(cases(SIZES, Settings(ways=["eager", "captured"])))) == 24
    assert {row.way for row in found.rows} == set(ways) and all(row.peak_bytes > 0 for row in found.rows)
