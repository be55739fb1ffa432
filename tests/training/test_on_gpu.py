"""Training on a GPU as it is by default: right, compiled, without waiting, within its memory, on two of them."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from swarmformer.assembly import assemble
from swarmformer.errors import CaptureError
from swarmformer.records import Failure, load
from swarmformer.training.loop import Trainer
from swarmformer.training.objectives.cross_entropy import CrossEntropy
from swarmformer.training.seat import Seat
from tests.experiments.conftest import ROOT
from tests.experiments.test_train import SETTINGS
from tests.training.test_fast import BROKEN, SHIPPED
from tests.training.toys import level, toy_data, toy_run

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
GPU = torch.device("cuda", 0)


@pytest.mark.parametrize("settings", [{}, {"tf32": False}, {"precision": "bf16"}, {"compile": True}], ids=str)
def test_the_defaults_learn_a_small_problem(settings: dict[str, Any]) -> None:
    spec = toy_run(**{"epochs": 10, "lr": 0.02, "batch_size": 32, "precision": "auto", **settings})
    trainer = Trainer(spec, toy_data(480, 120), GPU)
    assert trainer.run().test["accuracy"] > 0.95
    computing = trainer.computing
    assert computing.tf32 == settings.get("tf32", True) and computing.compile_fault == ""
    assert computing.compiled == settings.get("compile", False)
    assert computing.captured and computing.capture_fault == ""


def _losses(variant: str, folder: Path, **settings: Any) -> tuple[list[float], Trainer]:
    """Means of at most twenty steps, and of every validation, of a short run."""
    folder.mkdir()
    spec = toy_run(variant, epochs=6, compile=False, tf32=False, **settings)
    trainer = Trainer(spec, toy_data(100), GPU, folder)
    trainer.run()
    return [json.loads(line)["loss"] for line in (folder / "curve.jsonl").read_text().splitlines()], trainer


ASKED_AT_TOKENS = [name for name in SHIPPED if assemble(toy_run(name).model).per_token]
RECORDED = [name for name in SHIPPED if name not in ASKED_AT_TOKENS]


@pytest.mark.parametrize("variant", RECORDED)
def test_replayed_steps_are_those_that_they_stand_for(variant: str, tmp_path: Path) -> None:
    """Dropout and drawn assignments included; sums of embeddings are rounded in any order."""
    usual, _ = _losses(variant, tmp_path / "usual", capture=False)
    replayed, trainer = _losses(variant, tmp_path / "replayed", capture=True)
    assert trainer.step.graphs is not None
    assert len(trainer.step.graphs.recorded) == len(trainer.now.batches.lengths)
    torch.testing.assert_close(torch.tensor(replayed), torch.tensor(usual), atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("settings", [
    {"objective": "r_drop"}, {"objective": "adversarial"}, {"precision": "bf16"},
    {"augmentation": "word_dropout", "ema_decay": 0.9},
], ids=str)  # fmt: skip
def test_recipes_are_replayed(settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And held against the usual step again and again."""
    monkeypatch.setattr("swarmformer.training.captured.CHECK_EVERY", 5)
    usual, _ = _losses("base", tmp_path / "usual", capture=False, **settings)
    replayed, trainer = _losses("base", tmp_path / "replayed", capture=True, **settings)
    assert trainer.computing.captured
    torch.testing.assert_close(torch.tensor(replayed), torch.tensor(usual), atol=5e-3, rtol=5e-3)


def test_what_fails_only_while_it_is_recorded_ends_well_or_with_what_to_do(tmp_path: Path) -> None:
    """A failed recording may leave the random numbers of its process's device unusable, which no one can mend."""
    script = f"from tests.training import test_on_gpu; test_on_gpu.fails_while_it_is_recorded({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr


def fails_while_it_is_recorded(folder: str) -> None:
    """In a process of its own."""
    kept = CrossEntropy.loss

    def breaks(self: CrossEntropy, forward: Any, batch: Any) -> Any:
        if torch.cuda.is_current_stream_capturing():
            torch.cuda.synchronize()
        return kept(self, forward, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("swarmformer.training.captured.CAPTURE_STEPS", 1)
        patch.setattr(CrossEntropy, "loss", breaks)
        try:
            _, trainer = _losses("base", Path(folder) / "found", capture="auto")
        except CaptureError as error:
            assert "train.capture: false" in str(error)
        else:
            assert not trainer.computing.captured and trainer.computing.capture_fault
    assert torch.cuda.current_stream() == torch.cuda.default_stream()


def test_what_waits_for_the_device_is_computed_as_usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, _ = _losses("base", tmp_path / "usual", capture=False)
    monkeypatch.setattr("swarmformer.training.captured.CAPTURE_STEPS", 1)
    kept = CrossEntropy.loss

    def reads(self: CrossEntropy, forward: Any, batch: Any) -> Any:
        loss = kept(self, forward, batch)
        assert float(loss.total) >= 0
        return loss

    monkeypatch.setattr(CrossEntropy, "loss", reads)
    found, trainer = _losses("base", tmp_path / "found", capture="auto")
    assert not trainer.computing.captured and "synchroniz" in trainer.computing.capture_fault
    torch.testing.assert_close(torch.tensor(found), torch.tensor(usual), atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("settings", [{}, {"augmentation": "word_dropout", "ema_decay": 0.9}], ids=str)
@pytest.mark.parametrize("variant", ["base", "enhanced", "transformer"])
@pytest.mark.parametrize("capture", [False, True])
def test_no_step_waits_for_the_device(variant: str, settings: dict[str, Any], capture: bool) -> None:
    trainer = Trainer(toy_run(variant, capture=capture, **settings), toy_data(200), GPU)
    trainer.model.train()
    batches = trainer.now.augmented(0, 0)
    for _ in range(14):  # they make the optimiser's state, choose kernels, and record both padded lengths
        trainer._step(next(batches))
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer._step(next(batches))
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("name", [name for name in SHIPPED if name not in BROKEN])
def test_a_compiled_variant_agrees(name: str) -> None:
    torch.compiler.reset()
    sizes = {"d_model": 64, "num_layers": 2, "cluster_size": 4, "seq_len": 32}
    model = assemble(toy_run(name, model={"dims": sizes}).model)
    model = model.to(GPU).eval()
    ids_BN = torch.randint(3, 14, (8, 32), device=GPU)
    mask_BN = torch.arange(32, device=GPU) < torch.tensor([[32], [5], [9], [16], [31], [1], [20], [32]], device=GPU)
    with torch.no_grad():
        whole = torch.compile(model.detailed, fullgraph=True, dynamic=False)
        torch.testing.assert_close(whole(ids_BN, mask_BN).logits_BK, model(ids_BN, mask_BN), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("variant", ["base", "enhanced", "transformer", "base+routing+gumbel"])
def test_seeds_together_are_what_they_are_alone(variant: str) -> None:
    pytest.importorskip("greenlet")
    from swarmformer.training.together import Together

    data = level(toy_data(100))

    def run(seed: int, seat: Seat | None = None) -> Trainer:
        spec = toy_run(variant, seed, epochs=2, tf32=False, capture=False, compile=False)
        trainer = Trainer(spec, data, GPU, seat=seat)
        trainer.run()
        return trainer

    for seed, other in enumerate(Together[Trainer](GPU).run([partial(run, seed) for seed in range(3)])):
        assert (other.computing.together, other.computing.together_fault) == (3, "")
        alone = run(seed).model.state_dict()
        for name, tensor in other.model.state_dict().items():
            torch.testing.assert_close(tensor, alone[name], rtol=1e-3, atol=5e-4)


def test_a_batch_that_does_not_fit_is_trained_in_parts() -> None:
    """The allocator is held to a little more than the model and a quarter of the batch need."""
    spec = toy_run(model={"dims": {"d_model": 256, "num_layers": 2, "cluster_size": 4, "seq_len": 512}}, epochs=1,
                   batch_size=512, precision="fp32", compile=False)  # fmt: skip
    data = toy_data(train=512)
    trainer = Trainer(spec, data, GPU)
    batch = next(iter(trainer.now.batches(0))).share(0, 4)
    trainer.model.train()
    torch.cuda.reset_peak_memory_stats()
    trainer.step.add_gradients(batch)
    room = 1.3 * torch.cuda.max_memory_reserved() / torch.cuda.get_device_properties(GPU).total_memory
    del trainer
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, room))
    try:
        cramped = Trainer(spec, data, GPU)
        cramped.run()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert cramped.computing.reduced and 0 < cramped.computing.micro_batch < 512


def test_memory_that_ends_beside_a_graph_costs_the_graph_alone() -> None:
    """The shorter batch that ends an epoch is not replayed: it finds no room beside the graph, and has enough without.
    While there is a graph, the allocator is held to a little more than what is in use."""
    total, seen = torch.cuda.get_device_properties(GPU).total_memory, list[bool]()

    def cap(done: int, steps: int, words: str) -> None:
        assert trainer.step.graphs is not None
        seen.append(bool(trainer.step.graphs.recorded))
        torch.cuda.empty_cache()
        room = (torch.cuda.memory_reserved(GPU) + (32 << 20)) / total if seen[-1] else 1.0
        torch.cuda.set_per_process_memory_fraction(min(1.0, room), GPU)

    dims = {"d_model": 256, "num_layers": 2, "cluster_size": 4, "seq_len": 512}
    spec = toy_run(model={"dims": dims}, epochs=3, batch_size=64, precision="fp32", compile=False, capture=True)
    trainer = Trainer(spec, toy_data(train=6 * 64 + 32), GPU, on_step=cap)
    try:
        trainer.run()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)
    assert any(seen) and not seen[-1] and trainer.computing.capture_fault == "memory ended"
    assert not trainer.computing.reduced and trainer.computing.micro_batch == 0


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_gpus_train_as_one_process_does(tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "experiments.train"]
    words = ["with", f"runs={tmp_path}", "variant=base", *SETTINGS]
    done = subprocess.run([*torchrun, *words], cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    (cell,) = tmp_path.iterdir()
    assert '"processes": [\n   2\n  ]' in (cell / "result.json").read_text()


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_of_two_gpus_one_that_fails_ends_the_other_with_its_cause(tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "experiments.train"]
    fault = "train.augmentation=tests.training.members:FailsInTheSecond"
    words = ["with", f"runs={tmp_path}", "variant=base", fault, *SETTINGS]
    done = subprocess.run([*torchrun, *words], cwd=ROOT, capture_output=True, text=True, timeout=250)
    (cell,) = tmp_path.iterdir()
    assert done.returncode != 0
    cause = load(cell / "failure.json", Failure).cause
    assert cause == "PeerFailedError: process 1 of 2 failed: ValueError: a fault of this process"
