"""Everything needed to go on exactly where a run stopped, in one safetensors file.

Tensors are stored by path ("model/…", "best/…", "optimiser/…", "rng/…"); counts and history travel as
JSON in the file's metadata. The file is written beside the old one, flushed to disk and renamed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from swarmformer.errors import SpecError
from swarmformer.records import todays_key, write_bytes_atomically

FORMAT = "1"
Tensors = dict[str, Tensor]


@dataclass
class Progress:
    """Where a run stands. ``batch`` is the next batch of ``epoch``; ``step`` the optimiser steps done."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0
    best_epoch: int = -1
    best: dict[str, float | int] = field(default_factory=dict)
    validations: list[dict[str, float | int]] = field(default_factory=list)


@dataclass(frozen=True)
class RunIdentity:
    """What a checkpoint must share with the run that continues it."""

    run_key: str
    seed: int
    data_key: str

    def words(self) -> dict[str, str]:
        return {"format": FORMAT, "run_key": self.run_key, "seed": str(self.seed), "data": self.data_key}


def save_checkpoint(path: Path, run: RunIdentity, tensors: Tensors, progress: Progress) -> None:
    """Replace the checkpoint at ``path`` in one step."""
    metadata = {**run.words(), "progress": json.dumps(asdict(progress))}
    # Independent contiguous copies: safetensors refuses tensors that share memory.
    plain = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    write_bytes_atomically(path, save(plain, metadata))


def load_checkpoint(path: Path, run: RunIdentity) -> tuple[Tensors, Progress]:
    """Read a checkpoint of this very run.

    Raises:
        SpecError: unreadable, or of another run, seed or format; says what to do.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise SpecError(f"{path}: cannot be read ({error}); move it away to start this run anew") from None
    for key, expected in run.words().items():
        if todays_key(metadata.get(key, "")) != expected:
            raise SpecError(
                f"{path}: belongs to {key} {metadata.get(key)}, not to {key} {expected}; "
                "move it away to start this run anew"
            )
    return tensors, Progress(**json.loads(metadata["progress"]))


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Tensors) -> Tensors:
    start = f"{prefix}/"
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> Tensors:
    """Moments and step counts, named "<parameter index>/<key>"."""
    state: dict[int, dict[str, Any]] = optimiser.state_dict()["state"]
    return {f"{index}/{key}": tensor for index, entry in state.items() for key, tensor in entry.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Inverse of ``optimiser_tensors``; groups and hyperparameters stay as built."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def rng_tensors(device: torch.device) -> Tensors:
    """States of the random generators that training draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_rng(tensors: Tensors, device: torch.device) -> None:
    torch.set_rng_state(tensors["cpu"])
    if device.type == "cuda" and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"], device)
