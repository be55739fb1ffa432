"""Runs on toy data for the tests of training: finished, stopped on the way, compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch

from swarmformer.spec import RunSpec
from swarmformer.training.checkpoint import CheckpointIdentity, load_checkpoint
from swarmformer.training.loop import Trainer
from swarmformer.training.result import TrainResult
from tests.training.toys import toy_data

CPU = torch.device("cpu")
DATA = toy_data()
STEPS = 15  # 40 examples in batches of 8, 3 epochs


class StopError(Exception):
    """Stops a run from outside."""


def stop_at(step: int) -> Callable[[int, int, str], None]:
    """For ``on_step`` of a trainer."""
    def on_step(done: int, total: int, words: str) -> None:
        if done == step:
            raise StopError

    return on_step


def finish(spec: RunSpec, folder: Path | None = None) -> tuple[Trainer, TrainResult]:
    """Train to the end, from the checkpoint where the folder has one."""
    if folder is not None:
        folder.mkdir(exist_ok=True)
    trainer = Trainer(spec, DATA, CPU, folder)
    return trainer, trainer.run()


def curve(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def assert_same_run(first: Path, second: Path, spec: RunSpec, data_key: str = "toy") -> None:
    """Bit for bit: weights, moments, averages, random states, validations, curves."""
    (a, done), (b, again) = (
        load_checkpoint(folder / "checkpoint.safetensors", CheckpointIdentity(spec.run_key, spec.seed, data_key))
        for folder in (first, second)
    )
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name
    done.seconds = again.seconds = done.passed = again.passed = 0.0
    assert done == again
    assert curve(first) == curve(second)
