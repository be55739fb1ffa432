"""Everything needed to go on exactly where a run stopped, in one safetensors file.

Tensors are stored by path ("model/…", "best/…", "optimiser/…", "rng/…"); counts and history travel as
JSON in the file's metadata. The file is written beside the old one, flushed to disk and renamed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from swarmformer.errors import SpecError
from swarmformer.records import write_bytes_atomically
from swarmformer.training.ranks import Ranks
from swarmformer.training.state_tensors import Tensors

FORMAT = "5"
SHA256 = "sha256"


@dataclass
class TrainingState:
    """Where a training run stands. ``batch`` is the next batch of ``epoch``; ``step`` the optimiser steps done.

    Epochs and steps are counted through all stages; ``best`` is of ``stage``, which began after ``first_epoch`` epochs.
    ``stopped`` are the epochs after which patience ended a stage, ``skipped`` the planned steps that were not taken for
    that. ``optimiser`` is what of its state is no tensor. ``precisions``: what each stage computes in, fp32 or bf16.
    ``micro_batch``: texts computed at once since memory ran out, 0: as asked for. ``processes``: how many shared the
    batches, in the order of starts.
    ``seconds`` are those of training, ``passed`` all of the trainers so far.
    ``curve``: length in bytes and SHA-256 of curve.jsonl so far.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0
    best_epoch: int = -1
    best: dict[str, float | int] = field(default_factory=dict)
    validations: list[dict[str, float | int]] = field(default_factory=list)
    stage: int = 0
    first_epoch: int = 0
    stopped: list[int] = field(default_factory=list)
    skipped: int = 0
    optimiser: Any = None
    precisions: list[str] = field(default_factory=list)
    micro_batch: int = 0
    processes: list[int] = field(default_factory=list)
    passed: float = 0.0
    curve: tuple[int, str] = (0, "")


@dataclass(frozen=True)
class CheckpointIdentity:
    """What a checkpoint must share with the run that continues it."""

    run_key: str
    seed: int
    data_key: str

    def words(self) -> dict[str, str]:
        return {"format": FORMAT, "run_key": self.run_key, "seed": str(self.seed), "data": self.data_key}


def save_checkpoint(path: Path, run: CheckpointIdentity, tensors: Tensors, progress: TrainingState) -> None:
    """Replace the checkpoint at ``path`` in one step."""
    metadata = {**run.words(), "progress": json.dumps(asdict(progress))}
    # Independent contiguous copies: safetensors refuses tensors that share memory.
    plain = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    write_bytes_atomically(path, save(plain, {**metadata, SHA256: _digest(plain, metadata)}))


def load_checkpoint(path: Path, run: CheckpointIdentity) -> tuple[Tensors, TrainingState]:
    """Read a checkpoint of this very run.

    Raises:
        SpecError: unreadable, not what was written, or of another run, seed or format; says what to do.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise SpecError(f"{path}: cannot be read ({error}); move it away to start this run anew") from None
    for key, expected in run.words().items():
        if metadata.get(key) != expected:
            raise SpecError(
                f"{path}: belongs to {key} {metadata.get(key)}, not to {key} {expected}; "
                "move it away to start this run anew"
            )
    if metadata.pop(SHA256, None) != _digest(tensors, metadata):
        raise SpecError(f"{path}: not what was written: its checksum differs; move it away to start this run anew")
    found = json.loads(metadata["progress"])
    return tensors, TrainingState(**{**found, "curve": tuple(found["curve"])})


def seen_by_all(path: Path, ranks: Ranks) -> bool:
    """Whether there is a checkpoint, for all processes of a run alike.

    Raises:
        SpecError: some see it and some do not.
    """
    here = path.exists()
    if (there := bool(ranks.agreed(here))) != here:
        first, own = ("sees it", "does not") if there else ("does not see it", "does")
        raise SpecError(f"{path}: the first process {first}, process {ranks.rank} {own}: all processes of a run need "
                        "the same folder, on a file system that they share")  # fmt: skip
    return here


def _digest(tensors: Tensors, metadata: dict[str, str]) -> str:
    """SHA-256 over what is said, and over names, types, shapes and content of tensors."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
