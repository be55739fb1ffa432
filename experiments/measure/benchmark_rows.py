"""The measurements of ``experiments.benchmark``, one pass per number of threads and precision.

A pass measures the limits, times group by group (arms that differ in the variant alone, side by side), and
measures the limits again; then every row is held against them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, get_args

import torch

from swarmformer.cost.latency import measure_latency
from swarmformer.cost.machine import Limits
from swarmformer.cost.memory import MemoryRow, TooLargeError, measure_memory
from swarmformer.cost.passes import Mode
from swarmformer.cost.report import LIMIT_SHARE, limits_for, model_products, work_at
from swarmformer.cost.timing import now_s, torch_threads
from swarmformer.modes import Precision
from swarmformer.records import BenchmarkCosts, BenchmarkRow, MissingRow
from swarmformer.spec import TrainSpec
from swarmformer.variants import load_variant

from ..measure.benchmark_streams import Settings, StreamRows
from ..measure.measured import CostArm, Timed, arm_at, free_memory, split_missing

logger = logging.getLogger("swarmformer.benchmark")
FIXED: tuple[Mode, ...] = get_args(Mode)
LEAST_LIMIT_S = 2.0
"""Seconds for either measurement of the limits, whatever the budget: too low a limit refuses right rows."""

START_S = 120.0
"""Seconds that a fresh process may take beside its calls."""


@dataclass(frozen=True)
class Shape:
    """Fixed shapes: what is called on how many texts of how many tokens."""

    mode: Mode
    length: int
    batch: int


class Measurement:
    """Everything that a command asks for; ``run`` fills ``rows``, ``missing`` and ``limits``.

    Raises:
        SpecError: a variant that cannot be read, or real texts asked for without a task.
    """

    def __init__(self, settings: Settings, patch: Mapping[str, Any], device: torch.device) -> None:
        self.settings, self.device, self.threads = settings, device, max(settings.threads)
        self.train = TrainSpec.from_dict(patch["train"])
        variants = [load_variant(name, [(patch, "command line")]) for name in settings.variants]
        found = [arm_at(variant, length) for length, variant in product(settings.lengths, variants)]
        self.arms, self.missing = split_missing(found)
        self.streams = StreamRows(settings, patch, device)
        self.rows: list[BenchmarkRow] = []
        self.limits: dict[tuple[int, str], Limits] = {}
        self.memory: dict[tuple[CostArm, Shape, Precision], MemoryRow | None] = {}

    def run(self) -> None:
        """Memory first, which tells what is too large; then one timed pass after another."""
        for precision in self.settings.precision:
            self._measure_memory(precision)
        passes = list(product(self.settings.threads, self.settings.precision))
        end = now_s() + self.settings.budget_s
        for done, (threads, precision) in enumerate(passes):
            with torch_threads(threads):
                self._pass(threads, precision, (end - now_s()) / (len(passes) - done))

    def record(self, **head: Any) -> BenchmarkCosts:
        return BenchmarkCosts(**head, rows=tuple(self.rows), missing=tuple(self.missing))

    def _shapes(self) -> Iterator[Shape]:
        for mode in self.settings.modes:
            if mode in FIXED:
                for length, batch in product(self.settings.lengths, self.settings.batches):
                    yield Shape(mode, length, batch)

    def _measure_memory(self, precision: Precision) -> None:
        for shape, arm in product(self._shapes(), self.arms):
            if arm.length != shape.length:
                continue
            where: dict[str, Any] = {"mode": shape.mode, "length": shape.length, "batch": shape.batch}
            where["precision"] = precision
            try:
                self.memory[arm, shape, precision] = self._memory_of(arm, shape, precision)
            except TooLargeError as error:
                logger.info("%s %s: missing, %s", arm.variant, where, error)
                self.missing.append(MissingRow(variant=arm.variant, reason=str(error), **where))

    def _memory_of(self, arm: CostArm, shape: Shape, precision: Precision) -> MemoryRow | None:
        if shape.mode == "training" and precision == "bf16_weights":
            raise TooLargeError("training keeps its weights in fp32; bf16 is autocast")
        if not self.settings.memory:
            return None
        return measure_memory(
            arm.spec,
            batch=shape.batch,
            length=shape.length,
            device=self.device,
            threads=self.threads,
            mode=shape.mode,
            precision=precision,
            train=self.train,
            limit_bytes=free_memory() if self.device.type == "cpu" else None,
            timeout_s=START_S + self.settings.budget_s,
        )

    def _pass(self, threads: int, precision: Precision, budget_s: float) -> None:
        logger.info("threads %d, %s: %.0f s", threads, precision, budget_s)
        share = max(LEAST_LIMIT_S, budget_s * LIMIT_SHARE / 2)
        end = now_s() + budget_s - share
        before = self._measure_limits(precision, share)
        groups = [*self._fixed_groups(threads, precision), *self.streams.groups(precision, threads)]
        timed: list[Timed] = []
        for done, group in enumerate(groups):
            timed += group((end - now_s()) / (len(groups) - done))
        limits = before.raised_by(self._measure_limits(precision, share))
        self.limits[threads, precision] = limits
        self.rows += [row.judged(BenchmarkRow, limits, threads=threads, precision=precision) for row in timed]

    def _measure_limits(self, precision: Precision, budget_s: float) -> Limits:
        models = [*(arm.build_without_weights() for arm in self.arms), *self.streams.models()]
        rows = [length * batch for length, batch in product(self.settings.lengths, self.settings.batches)]
        works = [work_at(arm.build_without_weights(), shape.batch, shape.length) for arm, shape, _ in self.memory]
        return limits_for(works, model_products(models, rows), self.device, precision, budget_s)

    def _fixed_groups(self, threads: int, precision: Precision) -> Iterator[Callable[[float], list[Timed]]]:
        for shape in self._shapes():
            arms = {arm.variant: arm for arm in self.arms if (arm, shape, precision) in self.memory}
            if arms:
                yield partial(self._fixed_group, shape, arms, threads, precision)

    def _fixed_group(
        self, shape: Shape, arms: Mapping[str, CostArm], threads: int, precision: Precision, budget_s: float
    ) -> list[Timed]:
        timings = measure_latency(
            {name: arm.build() for name, arm in arms.items()},
            batches=[shape.batch],
            length=shape.length,
            device=self.device,
            threads=threads,
            precision=precision,
            mode=shape.mode,
            train=self.train,
            way="compiled" if self.settings.compile else "eager",
            budget_s=budget_s,
            seed=self.settings.seed,
        )
        return [self._timed(arms[row.arm], shape, precision, row.samples, row.compile_s) for row in timings]

    def _timed(self, arm: CostArm, shape: Shape, precision: Precision, samples: Any, compile_s: float | None) -> Timed:
        work = arm.work(shape.batch, shape.mode, self.device)
        columns = {**arm.columns(), "mode": shape.mode, "batch": shape.batch, "compile_s": compile_s}
        columns |= self.memory[arm, shape, precision] or {}
        columns["texts_per_s"] = shape.batch / samples.p50
        place = f"{arm.variant} ({shape.mode}, batch {shape.batch}, length {shape.length})"
        return Timed(place, columns, samples, work)
