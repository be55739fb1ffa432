"""The whole cost pass: limits, latency, FLOPs and least times of a set of models, as one record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from swarmformer import records
from swarmformer.contracts import Model
from swarmformer.cost.latency import Latency, measure_latency
from swarmformer.cost.limits import Work, forward_work, judge
from swarmformer.cost.machine import Limits, Product, measure_limits
from swarmformer.cost.operations import counted_flops, counted_training_flops
from swarmformer.cost.passes import Mode
from swarmformer.cost.probe import product_dtype, random_inputs
from swarmformer.cost.timing import now_s, torch_threads
from swarmformer.environment import describe_device, describe_machine, device_name
from swarmformer.modes import Precision
from swarmformer.ops.switch import enabled
from swarmformer.records import Costs
from swarmformer.spec import TrainSpec

_FORWARD: Mode = "forward"
_TRAINING: Mode = "training"
LIMIT_SHARE = 0.15
"""Part of the budget spent on the limits, before and once more after the models."""

PIECES = (512, 2048, 8192)
"""Rows of products tried beside those of whole batches: what is computed piece by piece stays in the cache."""

MOST_ROWS = 65_536
"""Beyond so many rows a product is no faster, and takes the time that other shapes need."""


def measure_costs(
    arms: Mapping[str, tuple[str, Model]],
    *,
    length: int,
    batches: Sequence[int] = (1, 32),
    device: torch.device,
    threads: int,
    budget_s: float = 30.0,
    train: Mapping[str, TrainSpec] | None = None,
) -> Costs:
    """Measure models side by side in fp32, in one process: forward passes, or training steps.

    Args:
        arms: run key → (name of the variant, model). Models are moved to ``device``.
        train: run key → objective and optimiser of the steps that are timed instead of forward passes.
        length: tokens per text; batches: batch sizes; threads: torch threads while measuring.
        budget_s: seconds for the whole pass; see ``measure_latency`` for when it may be overrun.

    Returns:
        A row per arm and batch, with its least time: see ``cost.limits.judge``.

    Raises:
        SpecError, OutputError: see ``measure_latency``.
        LimitError: a model that seems faster than the machine.
    """
    models, mode = {key: model for key, (_, model) in arms.items()}, _FORWARD if train is None else _TRAINING
    # Forward passes are held against what a model states: with a formula far too large it is faster than the machine.
    works = {
        (key, n): work_at(model, n, length) if train is None else work_of(model, n, length, mode, device)
        for key, model in models.items() for n in batches
    }  # fmt: skip
    products = model_products(models.values(), [batch * length for batch in batches])
    end = now_s() + budget_s
    with torch_threads(threads):
        machine = {**describe_machine(), "device": describe_device(device)}
        before = limits_for(works.values(), products, device, "fp32", budget_s * LIMIT_SHARE / 2)
        timings = measure_latency(
            models,
            batches=batches,
            length=length,
            device=device,
            threads=threads,
            mode=mode,
            train=train,
            budget_s=end - now_s() - budget_s * LIMIT_SHARE / 2,
        )
        after = limits_for(works.values(), products, device, "fp32", budget_s * LIMIT_SHARE / 2)
        name, limits = device_name(device), before.raised_by(after)
    return Costs(
        machine=machine,
        device=name,
        threads=threads,
        limits=limits.record(),
        rows=tuple(_row(row, arms[row.arm][0], mode, works[row.arm, row.batch], limits) for row in timings),
    )


def work_at(model: Model, batch: int, length: int) -> Work:
    """The work of one forward pass over random tokens, all of them real."""
    ids_BN, _ = random_inputs(model.dims, batch, length, device=torch.device("cpu"), seed=0)
    return forward_work(model, ids_BN, model.flops(batch, length))


def work_of(model: Model, batch: int, length: int, mode: Mode, device: torch.device) -> Work:
    """The work of one call over random tokens, and on a CPU what fast paths leave of it where they are taken. Of a
    training step the FLOPs of both passes; its least bytes are those of the forward pass."""
    work, training = work_at(model, batch, length), mode == _TRAINING
    flops = model.training_flops(batch, length) if training else work.flops
    count = counted_training_flops if training else counted_flops
    fast = device.type == "cpu" and enabled()
    return replace(work, flops=flops, computed_flops=batch * count(model, 1, length, fast=True) if fast else None)


def limits_for(
    works: Iterable[Work], products: Iterable[Product], device: torch.device, precision: Precision, budget_s: float
) -> Limits:
    """``measure_limits`` in this precision and for copies as large as these works need."""
    moved = [work.least_bytes for work in works]
    return measure_limits(device, products, budget_s, dtype=product_dtype(precision), moved=moved)


def model_products(models: Iterable[Model], rows: Iterable[int]) -> list[Product]:
    """M, K, N of the linear layers, applied to so many rows at once and to pieces of them, smallest first."""
    sizes = {
        (layer.in_features, layer.out_features)
        for model in models
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
    }
    whole = {min(M, MOST_ROWS) for M in rows}
    largest = max(whole, default=0)
    pieces = {M for M in PIECES if largest > M}
    return [(M, K, N) for M in sorted(whole | pieces) for K, N in sorted(sizes)]


def _row(timing: Latency, variant: str, mode: Mode, work: Work, limits: Limits) -> records.Latency:
    place = f"{variant} ({mode}, batch {timing.batch}, length {timing.length})"
    return records.Latency(
        run_key=timing.arm,
        variant=variant,
        mode=mode,
        batch=timing.batch,
        length=timing.length,
        **timing.samples.to_dict(),
        **judge(place, work, timing.samples.p50, limits),
    )
