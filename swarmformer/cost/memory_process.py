"""The fresh process of ``measure_memory``: reads a ``MemoryOrder`` and writes a ``MemoryRow``, both as JSON."""

from __future__ import annotations

import json
import sys
from time import perf_counter

import torch

from swarmformer.assembly import assemble
from swarmformer.cost.memory import CALLS, MemoryOrder, MemoryRow
from swarmformer.cost.passes import make_call, random_batch
from swarmformer.cost.resident import limit_growth, peak_of
from swarmformer.cost.timing import synchronize
from swarmformer.ops.switch import use_fast
from swarmformer.spec import ModelSpec, TrainSpec


def _measure(order: MemoryOrder) -> MemoryRow:
    torch.set_num_threads(order.threads)
    torch.manual_seed(0)
    device = torch.device(order.device)
    model = assemble(ModelSpec.from_dict(order.model)).to(device)
    batch = random_batch(model, order.batch, order.length, device=device, seed=0)
    call = make_call(model, batch, order.mode, order.precision, TrainSpec.from_dict(order.train))
    if order.limit_bytes is not None:
        limit_growth(order.limit_bytes)
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    times: list[float] = []

    def calls() -> None:
        for _ in range(CALLS):
            start = perf_counter()
            call()
            synchronize(device)
            times.append(perf_counter() - start)

    with use_fast(order.fast):
        peak = peak_of(calls)
    return {
        "peak_bytes": peak.peak,
        "growth_bytes": peak.growth,
        "method": peak.method,
        "call_s": times[-1],
        "device_allocated_bytes": torch.cuda.max_memory_allocated(device) if on_gpu else None,
        "device_reserved_bytes": torch.cuda.max_memory_reserved(device) if on_gpu else None,
    }


if __name__ == "__main__":
    print(json.dumps(_measure(MemoryOrder.model_validate_json(sys.stdin.read()))))
