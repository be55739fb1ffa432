"""Peaks against allocations that are known."""

from __future__ import annotations

import json
import mmap
import resource
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch

from swarmformer.assembly import assemble
from swarmformer.cost import memory, memory_process
from swarmformer.cost.memory import MemoryOrder, TooLargeError, measure_memory
from swarmformer.cost.memory_process import peak_of
from swarmformer.cost.passes import make_call, random_batch
from swarmformer.errors import MemoryExhaustedError, SpecError
from swarmformer.spec import ModelSpec, TrainSpec
from swarmformer.training.step import TrainingStep
from swarmformer.variants import load_variant
from tests.training.test_faults import FULL, OTHERS

MIB = 2**20
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak can be set back on Linux only")


def spec(**dims: int) -> ModelSpec:
    sizes = {"vocab_size": 1000, "d_model": 64, "num_layers": 1, "seq_len": 256, **dims}
    return load_variant("base", [({"model": {"dims": sizes}}, "test")]).model_spec()


def touch(size: int) -> None:
    """Take fresh pages and give them back: what an allocator has kept of earlier tests would be no growth."""
    with mmap.mmap(-1, size) as block:
        block[:: mmap.PAGESIZE] = b"1" * (size // mmap.PAGESIZE)


def test_where_there_is_no_module_resource_it_is_imported_all_the_same() -> None:
    """On Windows, where every command of ``swarmformer bench`` imports it."""
    code = "import psutil, sys; sys.modules['resource'] = None; import swarmformer.cost.memory_process"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_peak_that_the_system_does_not_tell_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory_process, "_CLEAR", tmp_path / "clear_refs")
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SpecError, match="use WSL2"):
        peak_of(lambda: None)


@LINUX
def test_a_known_allocation_is_seen_although_it_is_gone():
    touch(200 * MIB)  # an earlier, higher peak that must not count
    tries = (peak_of(lambda: touch(64 * MIB)) for _ in range(20))
    found = next(peak for peak in tries if not peak.reclaimed)  # a kernel that reclaims does so in turns
    assert found.method == "VmHWM"
    assert 63 * MIB <= found.growth < 72 * MIB  # the kernel counts pages in batches


@LINUX
def test_pages_of_files_that_the_kernel_took_are_told(tmp_path):
    """They hide as much growth: seen where a kernel reclaims cold pages of libraries (DAMON)."""
    path = tmp_path / "mapped"
    path.write_bytes(b"1" * 32 * MIB)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE])  # every page is resident now
        found = peak_of(lambda: mapped.madvise(mmap.MADV_DONTNEED))
    assert found.growth < MIB < 31 * MIB <= found.reclaimed


@pytest.mark.parametrize(("reclaimed", "counts"), [([0], 0), ([9, 3, 5], 1), ([9, 0], 1)])
def test_a_disturbed_measurement_is_made_again(monkeypatch, cpu, reclaimed, counts):
    answers = [{"row": {"peak_bytes": turn}, "reclaimed_bytes": size * MIB} for turn, size in enumerate(reclaimed)]
    left = iter(map(json.dumps, answers))
    monkeypatch.setattr(memory, "in_fresh_process", lambda module, order, **limits: next(left))
    assert measure_memory(spec(), batch=1, length=8, device=cpu, threads=1)["peak_bytes"] == counts
    assert not list(left)


@LINUX
def test_what_the_parent_holds_does_not_count():
    """The trap that ru_maxrss is: it is handed down to a process that is started."""
    ballast = np.ones(600 * MIB, dtype=np.uint8)
    code = "from swarmformer.cost.memory_process import peak_of; print(peak_of(lambda: None).peak)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(said) < ballast.nbytes < peak_of(lambda: None).peak


@pytest.mark.slow
def test_passes_hold_what_they_must(cpu, monkeypatch):
    """More texts: at least x and the gate's hidden layer more. Training: gradients and two moments of every weight."""
    monkeypatch.setenv("SWARMFORMER_FAST", "0")
    table, activations = 100_000 * 64 * 4, 127 * 256 * 64 * 4
    model, fixed = spec(vocab_size=100_000), {"length": 256, "device": cpu, "threads": 1}
    one, many = (measure_memory(model, batch=batch, **fixed) for batch in (1, 128))
    training = measure_memory(model, batch=1, mode="training", **fixed)
    assert many["growth_bytes"] - one["growth_bytes"] > 2 * activations
    assert training["growth_bytes"] - one["growth_bytes"] >= 0.95 * 3 * table
    assert many["peak_bytes"] > many["growth_bytes"] > 0 < many["call_s"]
    assert many["device_allocated_bytes"] is None
    monkeypatch.setenv("SWARMFORMER_FAST", "1")
    in_pieces = measure_memory(model, batch=128, **fixed)
    assert in_pieces["growth_bytes"] < many["growth_bytes"] - activations


@LINUX
@pytest.mark.parametrize("mode", ["forward", "training"])
def test_what_does_not_fit_says_so(cpu, monkeypatch, mode):
    """A training step too, which a run would go on with in parts."""
    monkeypatch.setenv("SWARMFORMER_FAST", "0")
    with pytest.raises(TooLargeError, match=r"needs more memory than 0\.1 GiB"):
        measure_memory(spec(), batch=512, length=256, device=cpu, threads=1, limit_bytes=100 * MIB, mode=mode)


def test_a_training_step_that_is_computed_in_parts_is_not_measured(cpu, monkeypatch):
    detailed = TrainingStep.detailed

    def cramped(self, ids_BN, mask_BN):
        if len(ids_BN) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to …")
        return detailed(self, ids_BN, mask_BN)

    monkeypatch.setattr(TrainingStep, "detailed", cramped)
    model, train = assemble(spec()), TrainSpec.from_dict({})
    for texts in (2, 4):
        batch = random_batch(model, texts, 8, device=cpu, seed=0)
        call = make_call(model, batch, "training", "fp32", train)
        if texts == 2:
            assert call().isfinite()
        else:
            with pytest.raises(MemoryExhaustedError, match="does not hold the step of 4 texts, but 2 at once"):
                call()
    asked = make_call(model, batch, "training", "fp32", train.model_copy(update={"micro_batch": 2}))
    assert asked().isfinite(), "parts that were asked for are what is measured"


def test_a_system_that_does_not_tell_what_is_held_measures_without_a_limit(monkeypatch, tmp_path):
    """As macOS, where there is no /proc."""
    for name in ("_STATUS", "_CLEAR"):
        monkeypatch.setattr(memory_process, name, tmp_path / "nothing")
    monkeypatch.setattr(resource, "setrlimit", lambda *limit: pytest.fail("there is none to set"))
    order = MemoryOrder(
        model=spec().to_dict(), train=TrainSpec.from_dict({}).to_dict(), batch=1, length=8, mode="forward",
        precision="fp32", device="cpu", threads=torch.get_num_threads(), limit_bytes=10**9, fast=True,
    )  # fmt: skip
    row = memory_process._measure(order)["row"]
    assert row["method"] == "ru_maxrss" and row["peak_bytes"] > 0


def test_what_takes_too_long_says_so(cpu):
    with pytest.raises(TooLargeError, match="not done within 0 s"):
        measure_memory(spec(), batch=1, length=8, device=cpu, threads=1, timeout_s=0.1)


def test_other_failures_carry_their_cause(cpu):
    with pytest.raises(TooLargeError, match=r"ended with 1: .*(CUDA|NVIDIA)"):
        measure_memory(spec(), batch=1, length=8, device=torch.device("cuda", 99), threads=1)


@pytest.mark.parametrize(("error", "full"), [*((e, True) for e in FULL), *((e, False) for e in OTHERS)], ids=repr)
def test_a_process_that_ends_for_memory_is_told_from_one_that_fails(error: Exception, full: bool) -> None:
    """As training tells them, of the same errors; a process leaves no more of one than its words."""
    said = "".join(traceback.format_exception(error))
    reason = memory._reason(subprocess.CompletedProcess([], 1, "", said), None)
    assert reason.startswith("needs more memory: " if full else "the process that measures memory ended with 1: ")


def test_so_is_one_that_cpp_ends() -> None:
    said = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n"
    reason = memory._reason(subprocess.CompletedProcess([], -6, "", said), 2**30)
    assert reason == "needs more memory than 1.0 GiB:   what():  std::bad_alloc"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_growth_is_what_calls_take_there() -> None:
    """Not that of the process, whose libraries are loaded by the first call; it rises with the length."""
    device = torch.device("cuda", 0)
    short, long = (
        measure_memory(spec(seq_len=length), batch=8, length=length, device=device, threads=1, mode="training")
        for length in (512, 2048)
    )
    for row in (short, long):
        assert row["method"] == "allocator" and row["device_allocated_bytes"] is not None
        assert 0 < row["growth_bytes"] < row["device_allocated_bytes"]
    assert long["growth_bytes"] > 3 * short["growth_bytes"]
