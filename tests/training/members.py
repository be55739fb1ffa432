"""Processes that train together, as torchrun would start them, forked so that they import nothing."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from swarmformer.contracts import Augmentation, Dims
from swarmformer.data.batching import Batch
from swarmformer.data.encoded import EncodedData
from swarmformer.spec import RunSpec
from swarmformer.training.loop import Trainer
from swarmformer.training.ranks import ALONE, Ranks, joined
from tests.processes import start_forked
from tests.training.toys import asked_elsewhere, token_data, toy_data, toy_run

DATA: dict[str, Callable[[], EncodedData]] = {"toy": toy_data, "toy tokens": token_data, "elsewhere": asked_elsewhere}


def train(order: dict[str, Any], ranks: Ranks = ALONE) -> None:
    """Train as ordered: ``variant``, ``train`` and ``model`` of ``toy_run``, ``data`` of ``DATA``, in ``folder``;
    ``stop`` (ends without a word) and ``fail`` (raises) say after which step and which rank."""
    folder, (who, when), (failing, at) = Path(order["folder"]), order.get("stop", (0, 0)), order.get("fail", (0, 0))
    folder.mkdir(parents=True, exist_ok=True)

    def on_step(done: int, total: int, words: str) -> None:
        if (ranks.rank, done) == (who, when):
            os.kill(os.getpid(), signal.SIGKILL)
        if (ranks.rank, done) == (failing, at):
            raise ValueError("a fault of this process")

    data = DATA[order.get("data", "toy")]()
    result = Trainer(spec_of(order), data, torch.device("cpu"), folder, on_step, ranks).run()
    if ranks.first:
        (folder / "logits.json").write_text(json.dumps(result.test_logits_NK.tolist()))
        (folder / "out_of_domain.json").write_text(json.dumps(result.out_of_domain))


def spec_of(order: dict[str, Any]) -> RunSpec:
    return toy_run(order.get("variant", "base"), model=order.get("model"), **order.get("train", {}))


def member(words: str) -> None:
    """What each process does; it says how it ended in ``error-RANK``."""
    order = json.loads(words)
    torch.set_num_threads(1)
    with joined() as ranks:
        try:
            train(order, ranks)
        except BaseException as error:
            Path(order["folder"], f"error-{ranks.rank}").write_text(f"{type(error).__name__}: {error}")
            ranks.tell(error)
            raise


def together(order: dict[str, Any], size: int) -> list[int | None]:
    """Let so many processes train; how each ended."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    said = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    code = f"from tests.training.members import member; member({json.dumps(order)!r})"
    Path(order["folder"]).mkdir(parents=True, exist_ok=True)
    processes = []
    for rank in range(size):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
        output = (Path(order["folder"], f"output-{rank}"),) * 2
        processes.append(start_forked("python", "-c", code, env={**os.environ, **said, **own}, said=output))
    for process in processes:
        process.join(60)
        if process.exitcode is None:
            print(f"{process.name} never ended", file=sys.stderr)
            process.kill()
            process.join()
    return [process.exitcode for process in processes]


class FailsInTheSecond(Augmentation):
    """Whatever it is given, the second process raises."""

    def __init__(self, dims: Dims) -> None:
        pass

    def apply(self, batch: Batch, generator: torch.Generator) -> Batch:
        if os.environ.get("RANK") == "1":
            raise ValueError("a fault of this process")
        return batch
