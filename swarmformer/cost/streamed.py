"""Seconds and peak memory of a text in pieces (``swarmformer.long``), in a fresh process: this module, run by itself.

A call may take many minutes, so that time and memory are of the same calls. Seconds of the processor stand beside those
of the clock: a busy machine makes a call longer, not costlier.
"""

from __future__ import annotations

import json
import os
import sys
from time import process_time
from typing import Any, TypedDict

import torch

from swarmformer import long
from swarmformer.assembly import assemble
from swarmformer.contracts import Strict
from swarmformer.cost.memory import in_fresh_process
from swarmformer.cost.memory_process import limit_growth, peak_of
from swarmformer.cost.probe import check_output, random_inputs
from swarmformer.cost.timing import no_garbage_collection, now_s, synchronize
from swarmformer.seeding import seed_all
from swarmformer.spec import ModelSpec

WARM_UP_PIECES, START_S = 4, 120.0
"""What is read before the first timed call; seconds that the process may take beside its calls."""


class StreamOrder(Strict):
    """What the fresh process is asked to measure: calls until ``budget_s`` are spent, and ``min_repeats`` at least."""

    model: dict[str, Any]
    length: int
    batch: int
    piece: int
    device: str
    threads: int
    budget_s: float
    min_repeats: int
    seed: int
    limit_bytes: int | None


class StreamRow(TypedDict):
    """Of every call its seconds by the clock and of the processor (all threads); bytes as in ``memory.MemoryRow``."""

    seconds: list[float]
    cpu_s: list[float]
    load_average: tuple[float, float]
    peak_bytes: int
    growth_bytes: int
    method: str


def measure_streamed(order: StreamOrder, timeout_s: float) -> StreamRow:
    """Raises TooLargeError where it needs more memory or time than it is given, or the process failed."""
    what = f"{order.min_repeats} calls in a fresh process"
    row: StreamRow = json.loads(
        in_fresh_process(__name__, order, timeout_s=timeout_s, limit_bytes=order.limit_bytes, what=what)
    )
    return row


def _measure(order: StreamOrder) -> StreamRow:
    torch.set_num_threads(order.threads)
    seed_all(0)
    device = torch.device(order.device)
    model = assemble(ModelSpec.from_dict(order.model)).to(device).eval()
    if order.limit_bytes is not None:
        limit_growth(order.limit_bytes)
    seconds: list[float] = []
    cpu_s: list[float] = []

    def calls() -> None:
        ids_BN, mask_BN = random_inputs(
            model.dims, order.batch, order.length, device=torch.device("cpu"), seed=order.seed
        )
        first = WARM_UP_PIECES * order.piece
        long.logits(model, ids_BN[:, :first], mask_BN[:, :first], tokens=order.piece)
        while len(seconds) < order.min_repeats or sum(seconds) < order.budget_s:
            start, used = now_s(), process_time()
            logits = long.logits(model, ids_BN, mask_BN, tokens=order.piece)
            synchronize(device)
            seconds.append(now_s() - start)
            cpu_s.append(process_time() - used)
            rows = (order.batch, order.length) if model.per_token else (order.batch,)
            check_output("a text in pieces", logits, (*rows, model.dims.num_classes))

    before = os.getloadavg()[0]
    with no_garbage_collection():
        peak = peak_of(calls)
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "load_average": (before, os.getloadavg()[0]),
        "peak_bytes": peak.peak,
        "growth_bytes": peak.growth,
        "method": peak.method,
    }


if __name__ == "__main__":
    print(json.dumps(_measure(StreamOrder.model_validate_json(sys.stdin.read()))))
