"""The whole cost pass: ceilings, latency and FLOPs of a set of models, as one JSON document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from swarmformer.cost.errors import CeilingError
from swarmformer.cost.latency import LatencyRow, measure_latency
from swarmformer.cost.machine import Ceilings, Product, measure_ceilings
from swarmformer.cost.timing import now_s, torch_threads
from swarmformer.environment import describe_device, describe_machine, device_name
from swarmformer.interfaces import Model

SCHEMA = 1
TOLERANCE = 1.05
"""How far above the ceiling a share may be before it is called impossible: noise of both timings."""

CEILING_SHARE = 0.15
"""Part of the budget spent on the ceilings, before and once more after the models."""


def measure_costs(
    arms: Mapping[str, tuple[str, Model]],
    *,
    length: int,
    batches: Sequence[int] = (1, 32),
    device: torch.device,
    threads: int,
    budget_s: float = 30.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure models side by side, in one process.

    Args:
        arms: run key → (name of the variant, model). Models are moved to ``device``.
        length: tokens per text; batches: batch sizes; threads: torch threads while measuring.
        budget_s: seconds for the whole pass; see ``measure_latency`` for when it may be overrun.

    Returns:
        JSON values: ``machine``, ``device``, ``threads``, ``ceilings`` and one of ``rows`` per arm and batch,
        with ``share_of_ceiling`` = FLOPs / median seconds / best matrix-product rate.

    Raises:
        SpecError, OutputError: see ``measure_latency``.
        CeilingError: a model that seems faster than the machine.
    """
    models = {key: model for key, (_, model) in arms.items()}
    products = model_products(models.values(), [batch * length for batch in batches])
    end = now_s() + budget_s
    with torch_threads(threads):
        machine = {**describe_machine(), "device": describe_device(device)}
        before = measure_ceilings(device, products, budget_s * CEILING_SHARE / 2)
        timings = measure_latency(
            models,
            batches=batches,
            length=length,
            device=device,
            threads=threads,
            budget_s=end - now_s() - budget_s * CEILING_SHARE / 2,
            seed=seed,
        )
        ceilings = before.raised_by(measure_ceilings(device, products, budget_s * CEILING_SHARE / 2))
        name = device_name(device)
    return {
        "schema": SCHEMA,
        "machine": machine,
        "device": name,
        "threads": threads,
        "ceilings": {
            "matmul_flops_per_s": ceilings.matmul_flops_per_s,
            "copy_bytes_per_s": ceilings.copy_bytes_per_s,
        },
        "rows": [_row(timing, *arms[timing["arm"]], ceilings) for timing in timings],
    }


def model_products(models: Iterable[Model], rows: Iterable[int]) -> list[Product]:
    """M, K, N of the linear layers, applied to so many rows at once: what the ceiling is tried with."""
    sizes = {
        (layer.in_features, layer.out_features)
        for model in models
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
    }
    return [(M, K, N) for M in sorted(set(rows)) for K, N in sorted(sizes)]


def _row(timing: LatencyRow, variant: str, model: Model, ceilings: Ceilings) -> dict[str, Any]:
    flops = model.flops(timing["batch"], timing["length"])
    share = flops / timing["median_s"] / ceilings.matmul_flops_per_s
    if share > TOLERANCE:
        raise CeilingError(
            f"{variant} (batch {timing['batch']}, length {timing['length']}): {flops:.3g} FLOPs in "
            f"{timing['median_s']:.3g} s would be {share:.2f} times the best matrix-product rate of this machine, "
            f"{ceilings.matmul_flops_per_s:.3g} FLOP/s at {ceilings.precision} precision. That breaks physics: the "
            "timer does not wait for the device, the model's flops() is wrong (compare cost.operations."
            "counted_flops), or the ceiling was measured while the machine was busy"
        )
    measured: dict[str, Any] = {key: value for key, value in timing.items() if key != "arm"}
    return {"run_key": timing["arm"], "variant": variant, **measured, "flops": flops, "share_of_ceiling": share}
