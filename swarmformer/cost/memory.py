"""Peak memory of a forward pass or a training step, each in a fresh process (``memory_process``)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, TypedDict

import torch

from swarmformer.contracts import Strict
from swarmformer.cost.passes import Mode
from swarmformer.errors import SwarmformerError
from swarmformer.modes import Precision
from swarmformer.ops.switch import enabled
from swarmformer.spec import ModelSpec, TrainSpec
from swarmformer.training.faults import says_memory_ended

PROCESS = "swarmformer.cost.memory_process"
ATTEMPTS, UNDISTURBED = 3, 2**20
"""A process from which the kernel took more bytes of mapped files is measured again, so often at most."""
CALLS = 2
"""The first call allocates what stays (the optimiser's state, for one); a peak is that of both."""


class TooLargeError(SwarmformerError):
    """A measurement that does not fit into the memory or the time that it was given."""


class MemoryRow(TypedDict):
    """Bytes. ``peak_bytes`` of the whole process; ``growth_bytes`` of the calls, beyond what was held once the model
    was built: by the process, or on a GPU by torch's allocator there.

    ``call_s`` are the seconds of the last call: a single one, cold caches and all. On a GPU the
    ``device_…`` figures are those of torch's allocator, weights included; else None.
    """

    peak_bytes: int
    growth_bytes: int
    method: str
    call_s: float
    device_allocated_bytes: int | None
    device_reserved_bytes: int | None


class MemoryAnswer(TypedDict):
    """What the fresh process found, and bytes of mapped files that the kernel took from it meanwhile."""

    row: MemoryRow
    reclaimed_bytes: int


class MemoryOrder(Strict):
    """What the fresh process is asked to measure."""

    model: dict[str, Any]
    train: dict[str, Any]
    batch: int
    length: int
    mode: Mode
    precision: Precision
    device: str
    threads: int
    limit_bytes: int | None
    fast: bool


def measure_memory(
    spec: ModelSpec,
    *,
    batch: int,
    length: int,
    device: torch.device,
    threads: int,
    mode: Mode = "forward",
    precision: Precision = "fp32",
    train: TrainSpec | None = None,
    limit_bytes: int | None = None,
    timeout_s: float | None = None,
    fast: bool | None = None,
) -> MemoryRow:
    """Build the model in a fresh process, run it ``CALLS`` times on random tokens, and report the peak.

    Of ``ATTEMPTS`` processes the least disturbed counts; one that is not disturbed is the last.

    Args:
        limit_bytes: memory that the calls may take beyond the built model (CPU; on Linux, elsewhere there is no limit).
        timeout_s: seconds for all of it, the start included.
        fast: with the fast paths of the CPU (``swarmformer.ops``), or every operation as it is written; None as here.

    Raises:
        TooLargeError: it needs more memory or time than that, or the process failed; says which.
    """
    order = MemoryOrder(
        model=spec.to_dict(),
        train=(train or TrainSpec.from_dict({})).to_dict(),
        batch=batch,
        length=length,
        mode=mode,
        precision=precision,
        device=str(device),
        threads=threads,
        limit_bytes=limit_bytes,
        fast=enabled() if fast is None else fast,
    )
    answers: list[MemoryAnswer] = []
    while len(answers) < ATTEMPTS and all(answer["reclaimed_bytes"] > UNDISTURBED for answer in answers):
        said = in_fresh_process(
            PROCESS, order, timeout_s=timeout_s, limit_bytes=limit_bytes, what=f"{CALLS} calls in a fresh process"
        )
        answers.append(json.loads(said))
    return min(answers, key=lambda answer: answer["reclaimed_bytes"])["row"]


def in_fresh_process(module: str, order: Strict, *, timeout_s: float | None, limit_bytes: int | None, what: str) -> str:
    """What ``python -m module`` prints when it is given ``order`` as JSON; ``limit_bytes`` and ``what`` for errors.

    Raises:
        TooLargeError: it was not done within ``timeout_s``, or it failed; says which.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            input=order.model_dump_json(),
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise TooLargeError(f"not done within {timeout_s:.0f} s ({what})") from None
    if done.returncode:
        raise TooLargeError(_reason(done, limit_bytes))
    return done.stdout


def _environment() -> dict[str, str]:
    """This very package, wherever the process is started."""
    root = str(Path(__file__).resolve().parents[2])
    others = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, others] if others else [root])}


def _reason(done: subprocess.CompletedProcess[str], limit_bytes: int | None) -> str:
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    if says_memory_ended(done.stderr):
        limit = "" if limit_bytes is None else f" than {limit_bytes / 2**30:.1f} GiB"
        return f"needs more memory{limit}: {last}"
    return f"the process that measures memory ended with {done.returncode}: {last}"
