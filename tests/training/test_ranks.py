"""Several processes train as one does: the same curve, the same weights, whoever goes on; none waits for the dead."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributed import HashStore

from swarmformer.errors import MemoryExhaustedError, SpecError
from swarmformer.records import Failure, Result, load
from swarmformer.training import ranks as ranks_module
from swarmformer.training.checkpoint import CheckpointIdentity, load_checkpoint
from swarmformer.training.faults import PeerFailedError, is_from_outside
from swarmformer.training.loop import Trainer
from swarmformer.training.ranks import Ranks
from swarmformer.training.setup import check_ranks
from tests.experiments.conftest import ROOT
from tests.experiments.test_train import SETTINGS
from tests.training.members import spec_of, together, train
from tests.training.runs import CPU, DATA, assert_same_run, curve
from tests.training.toys import toy_run

pytestmark = pytest.mark.waits
STILL = {name: {"dropout": 0.0} for name in ("local", "embedding", "cluster", "feedback")} | {"final_dropout": 0.0}
TUNED: dict[str, Any] = {
    "augmentation": {"name": "word_dropout", "rate": 0.3}, "label_smoothing": 0.1, "ema_decay": 0.9, "ema_warmup": True,
    "embedding_lr_factor": 3.0, "lr": 0.01, "patience": 2, "clip_norm": 0.3, "weight_decay": 0.1, "batch_size": 6,
}  # fmt: skip
"""Batches of six, and a last one of four texts: the third of three processes then has one."""
ROUTING = {"logits": "content", "distance": 0.2, "balance_weight": 0.3, "coherence_weight": 0.1}
CASES: dict[str, dict[str, Any]] = {
    "tuned": {"train": TUNED, "model": STILL},
    "dropout": {"train": TUNED, "draws": True},
    "routing": {"variant": "base+routing", "train": TUNED, "model": {**STILL, "router": ROUTING}},
    "tokens": {"train": {"batch_size": 6, "lr": 0.01}, "model": {**STILL, "pooling": "tokens"}, "data": "toy tokens"},
    "pretraining": {"train": {"stages": ["masked_tokens", "supervised"], "batch_size": 8}, "draws": True},
}
"""Where random numbers are drawn, one process must compute as many parts as there are processes."""


def tensors(folder: Path, order: dict[str, Any]) -> dict[str, Tensor]:
    spec = spec_of(order)
    identity = CheckpointIdentity(spec.run_key, 0, order.get("data", "toy"))
    return load_checkpoint(folder / "checkpoint.safetensors", identity)[0]


def assert_same_curve(first: Path, second: Path, tolerance: float = 1e-6) -> None:
    """Within ``tolerance``, or one unit in the last place of fp32, which is more than 1e-6 of values above 8."""
    a, b = curve(first), curve(second)
    assert len(a) == len(b) > 3
    for one, other in zip(a, b, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if isinstance(value, float):
                least = float(np.spacing(np.float32(abs(value))))
                assert other[name] == pytest.approx(value, abs=max(tolerance, least)), name
            else:
                assert other[name] == value, name


@pytest.mark.parametrize(
    ("case", "size"),
    [("tuned", 2), *(pytest.param(case, size, marks=pytest.mark.slow) for case in CASES for size in (2, 3))],
)
def test_several_processes_train_as_one_does(case: str, size: int, tmp_path: Path) -> None:
    order: dict[str, Any] = {**CASES[case], "folder": str(tmp_path / "many")}
    if order.pop("draws", False):
        order["train"] = {**order["train"], "micro_batch": -(-order["train"]["batch_size"] // size)}
    assert together(order, size) == [0] * size, (tmp_path / "many" / "output-0").read_text()
    alone = {**order, "folder": str(tmp_path / "one")}
    train(alone)
    assert_same_curve(tmp_path / "one", tmp_path / "many")
    many, one = tensors(tmp_path / "many", order), tensors(tmp_path / "one", order)
    for name in one:
        # A bias of all keys moves every score alike: its gradient is rounding alone, which Adam makes steps of.
        if not name.startswith("rng/") and not name.endswith("key.bias"):
            assert torch.allclose(one[name].double(), many[name].double(), atol=1e-5), name
    logits = [torch.tensor(json.loads((tmp_path / who / "logits.json").read_text())) for who in ("one", "many")]
    assert torch.allclose(*logits, atol=1e-5)


@pytest.mark.parametrize("stop", [5, *(pytest.param(step, marks=pytest.mark.slow) for step in (2, 9, 14, 19))])
def test_a_run_goes_on_with_as_many_processes_or_fewer(stop: int, tmp_path: Path) -> None:
    """Killed after a step: the other ends too, and says that one is gone; the next start goes on."""
    order = {**CASES["tuned"], "folder": str(tmp_path / "stopped")}
    spec = spec_of(order)
    ended = together({**order, "stop": (1, stop)}, 2)
    assert ended[1] == -signal.SIGKILL and ended[0] not in (0, None)
    assert "InterruptedRunError: another of 2 processes ended" in (tmp_path / "stopped" / "error-0").read_text()
    (tmp_path / "alone").mkdir()
    if (tmp_path / "stopped" / "checkpoint.safetensors").exists():
        for name in ("checkpoint.safetensors", "curve.jsonl"):
            (tmp_path / "alone" / name).write_bytes((tmp_path / "stopped" / name).read_bytes())
    assert together(order, 2) == [0, 0]
    train({**order, "folder": str(tmp_path / "alone")})
    together({**order, "folder": str(tmp_path / "whole")}, 2)
    assert_same_run(tmp_path / "whole", tmp_path / "stopped", spec)
    assert_same_curve(tmp_path / "whole", tmp_path / "alone")


def test_other_tasks_are_answered_alike_whole_resumed_and_by_two(tmp_path: Path) -> None:
    whole, resumed, two = ({**CASES["tuned"], "data": "elsewhere", "folder": str(tmp_path / n)} for n in "abc")
    train(whole)
    resumed["train"] = {**TUNED, "checkpoint_seconds": 0.0}
    with pytest.raises(ValueError, match="a fault of this process"):
        train({**resumed, "fail": (0, 9)})
    assert (tmp_path / "b" / "checkpoint.safetensors").exists()
    train(resumed)
    assert together(two, 2) == [0, 0], (tmp_path / "c" / "output-0").read_text()
    found = [json.loads((tmp_path / n / "out_of_domain.json").read_text()) for n in "abc"]
    assert found[0].keys() == {"other"} and found[0]["other"]["n"] == 30
    assert found[1] == found[0]
    assert found[2].keys() == {"other"} and found[2]["other"] == pytest.approx(found[0]["other"], abs=1e-5)


def test_a_process_that_fails_ends_the_others_with_its_cause(tmp_path: Path) -> None:
    order = {**CASES["tuned"], "folder": str(tmp_path)}
    assert together({**order, "fail": (1, 3)}, 2) == [1, 1]
    assert (tmp_path / "error-1").read_text() == "ValueError: a fault of this process"
    told = (tmp_path / "error-0").read_text()
    assert told == "PeerFailedError: process 1 of 2 failed: ValueError: a fault of this process"


@pytest.mark.slow
def test_torchrun_writes_once_goes_on_alone_and_says_what_failed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "swarmformer"]
    words = ["variant=base", "device=cpu", *SETTINGS]

    def started(name: str, *more: str) -> subprocess.CompletedProcess[str]:
        own = ["train", "with", f"runs={tmp_path / name}", *more]
        return subprocess.run([*command, *own, *words], cwd=ROOT, capture_output=True, text=True, timeout=250)

    assert started("two").returncode == 0
    (cell,) = (tmp_path / "two").iterdir()
    result = load(cell / "result.json", Result)
    assert result.computing is not None and result.computing.processes == (2,)
    assert [path.name for path in (cell / "sacred").iterdir()] == ["1"]
    assert (cell / "log.txt").read_text().count("test accuracy") == 1
    again = started("two")
    assert again.returncode == 0 and "finished before" in again.stdout
    failed = started("failed", "train.augmentation=tests.training.members:FailsInTheSecond")
    (cell,) = (tmp_path / "failed").iterdir()
    assert failed.returncode != 0 and not (cell / "result.json").exists()
    cause = load(cell / "failure.json", Failure).cause
    assert cause == "PeerFailedError: process 1 of 2 failed: ValueError: a fault of this process"


def test_what_no_several_processes_can_do_is_refused() -> None:
    with pytest.raises(SpecError, match="device 'cuda:0': 2 processes cannot share it; use auto, cuda or cpu"):
        Ranks(1, 2).device("cuda:0")
    assert Ranks(1, 2, local=1).device("cuda") == "cuda:1" and Ranks(1, 2).device("cpu") == "cpu"
    trainer = Trainer(toy_run(objective="adversarial"), DATA, CPU)
    with pytest.raises(SpecError, match="cannot be trained by several processes: the loss of objective 'adversarial'"):
        check_ranks(trainer.model, trainer.stages, Ranks(0, 2))


@pytest.mark.parametrize("here", [False, True])
def test_a_checkpoint_that_some_see_and_some_do_not_is_refused(here: bool, tmp_path: Path) -> None:
    """Whichever of them does not, none goes on alone."""
    trainer = Trainer(toy_run(), DATA, CPU, tmp_path)
    trainer.ranks = SimpleNamespace(rank=1, agreed=lambda value: int(not here))  # type: ignore[assignment]
    if here:
        (tmp_path / "checkpoint.safetensors").write_bytes(b"")
    with pytest.raises(SpecError, match="process 1 does" + (": all" if here else " not: all")):
        trainer._goes_on()


def test_a_gpu_that_waits_for_a_process_which_failed_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As NCCL has it: what is added up never comes, and nothing raises."""
    freed = threading.Event()
    monkeypatch.setattr(ranks_module, "EACH_S", 0.01)
    monkeypatch.setattr(ranks_module, "GRACE_S", 0.01)
    monkeypatch.setattr(ranks_module, "_give_up_gpu", freed.set)
    store = HashStore()
    first, second = Ranks(0, 2, store=store), Ranks(1, 2, store=store)
    watcher = threading.Thread(target=first.watch, daemon=True)
    watcher.start()
    assert not freed.wait(0.1)
    first.check()
    second.tell(ValueError("x"))
    assert freed.wait(30)
    watcher.join(30)
    with pytest.raises(PeerFailedError, match="process 1 of 2 failed: ValueError: x"):
        first.check()


def test_a_process_that_is_done_watches_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks_module, "_give_up_gpu", lambda: pytest.fail("gave up"))
    store = HashStore()
    first = Ranks(0, 2, store=store)
    Ranks(1, 2, store=store).tell(ValueError("x"))
    first.over.set()
    first.watch()
    assert not first.lost.is_set()


@pytest.mark.parametrize("failed", [True, False])
def test_with_nccl_a_failed_process_destroys_no_group(failed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """To destroy it waits for the others, which wait for this one."""
    done = list[str]()
    monkeypatch.setattr(ranks_module, "_give_up_gpu", lambda: not done.append("given up"))
    monkeypatch.setattr(ranks_module.dist, "destroy_process_group", lambda: done.append("destroyed"))
    Ranks(0, 2, store=HashStore()).leave(failed=failed)
    assert done == (["given up"] if failed else ["destroyed"])


@pytest.mark.parametrize(
    ("error", "outside"), [(MemoryExhaustedError("full"), True), (OSError(28, "full"), True), (ValueError("x"), False)]
)
def test_what_lay_outside_in_one_process_did_so_for_all(error: Exception, outside: bool) -> None:
    store = HashStore()
    Ranks(1, 2, store=store).tell(error)
    told = Ranks(0, 2, store=store)._lost(RuntimeError("connection closed"))
    assert isinstance(told, PeerFailedError) and str(told) == f"process 1 of 2 failed: {type(error).__name__}: {error}"
    assert is_from_outside(error) is is_from_outside(told) is outside
