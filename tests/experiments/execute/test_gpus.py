"""What a grid finds of GPUs it hands on: no worker looks for itself, and finds another device."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from experiments import grid
from experiments.execute import Job, scheduler
from experiments.execute.gpus import settle_device
from experiments.execute.local import Local, visible_gpus
from swarmformer import environment
from swarmformer.errors import SpecError
from tests.cards import pretend

H100, V100, GTX = ("H100", (9, 0)), ("V100", (7, 0)), ("GTX 1080", (6, 1))
ARCHS = ("sm_75", "sm_80", "sm_90", "compute_120")


@pytest.fixture(autouse=True)
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # has it put back afterwards
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")


def test_gpus_that_cuda_does_not_count_have_no_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    pretend(monkeypatch, [H100], archs=ARCHS)
    assert settle_device("auto") == "cuda" and visible_gpus() == ["0"]
    assert Local.default_workers(8, "cuda") == 1
    assert "names 0,1,2,3, but CUDA finds only the first 1 of them" in caplog.text


def test_a_driver_that_is_too_old_leaves_the_grid_the_cores(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pretend(monkeypatch, [], known=1)
    monkeypatch.setattr(environment, "_first_line", lambda *command: "470.82.01")
    assert settle_device("auto") == "cpu"
    assert "takes the CPU although there is a GPU" in caplog.text and "driver 470.82.01" in caplog.text
    with pytest.raises(SpecError, match=r"470\.82\.01"):
        settle_device("cuda")


def test_whoever_asks_for_the_cpu_starts_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, [H100])
    monkeypatch.setattr(torch._C, "_cuda_getDeviceCount", lambda: pytest.fail("CUDA was asked"), raising=False)
    assert settle_device("cpu") == "cpu" and "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.parametrize(("named", "left"), [(None, ["1"]), ("GPU-a,GPU-b", ["GPU-b"])])
def test_a_card_without_kernels_is_left_out(
    named: str | None, left: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    pretend(monkeypatch, [V100, H100], archs=ARCHS)
    assert settle_device("cuda") == "cuda" and visible_gpus() == left
    assert "V100 has compute capability 7.0, for which this torch" in caplog.text


def test_where_no_card_has_kernels_the_gpu_is_refused_and_auto_is_the_cpu(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pretend(monkeypatch, [V100, GTX], archs=ARCHS)
    with pytest.raises(SpecError, match=r"V100 has compute.*install.*CUDA_VISIBLE_DEVICES"):
        settle_device("cuda")
    assert settle_device("auto") == "cpu" and "although there is a GPU: V100" in caplog.text


@pytest.mark.parametrize(
    ("cards", "left"), [("HV", ["0"]), ("HVV", ["1", "2"]), ("VHVH", ["0", "2"]), ("HH", ["0", "1"])]
)
def test_of_several_kinds_the_most_numerous_is_used(
    cards: str, left: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Runs of two kinds are never compared."""
    pretend(monkeypatch, [H100 if card == "H" else V100 for card in cards])
    assert settle_device("auto") == "cuda" and visible_gpus() == left
    assert ("GPUs of several kinds" in caplog.text) is (len(set(cards)) > 1)


def test_kinds_that_somebody_names_are_all_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    pretend(monkeypatch, [H100, V100])
    assert settle_device("auto") == "cuda" and visible_gpus() == ["2", "0"]
    assert "names GPUs of several kinds (1 × H100, 1 × V100)" in caplog.text


def test_instances_of_a_card_are_all_used_though_cuda_counts_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-a,MIG-b")
    pretend(monkeypatch, [H100], archs=ARCHS)
    assert settle_device("auto") == "cuda" and visible_gpus() == ["MIG-a", "MIG-b"]


@pytest.mark.parametrize(("cards", "device", "workers"), [([H100], "cuda", 1), ([], "cpu", 2)])
def test_workers_are_told_what_the_grid_found(
    cards: list[tuple[str, tuple[int, int]]], device: str, workers: int, tiny_grid: Callable[..., Path],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_signals: None, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Here the environment names cards that are not there."""

    def started(executor: Local, jobs: list[Job], on_done: object) -> None:
        told = {words[words.index("--device") + 1] for words in (job.arguments for job in jobs)}
        raise SpecError(f"{executor.workers} workers on {' '.join(told)}")

    monkeypatch.setattr(scheduler, "run_jobs", started)
    monkeypatch.setattr("experiments.execute.local.usable_cores", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    pretend(monkeypatch, cards, archs=ARCHS)
    assert grid.main(["run", str(tiny_grid()), "--runs", str(tmp_path / "runs")]) == 1
    assert capsys.readouterr().err.endswith(f"error: {workers} workers on {device}\n")
