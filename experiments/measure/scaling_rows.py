"""The measurements of ``experiments.scaling``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import torch
from pydantic import Field

from swarmformer.contracts import AtLeastOne, Strict
from swarmformer.cost.latency import measure_latency
from swarmformer.cost.limits import Work
from swarmformer.cost.machine import Limits
from swarmformer.cost.memory import MemoryRow, TooLargeError, measure_memory
from swarmformer.cost.passes import Mode
from swarmformer.cost.report import LIMIT_SHARE, limits_for, model_products
from swarmformer.cost.rounds import Samples
from swarmformer.cost.timing import now_s
from swarmformer.modes import Precision
from swarmformer.records import LocalExponent, MissingRow, ScalingCosts, ScalingExponents, ScalingRow
from swarmformer.spec import TrainSpec
from swarmformer.variants import load_variant

from ..measure.exponents import fitted_exponent, local_exponents, median_ratio
from ..measure.measured import CostArm, Timed, arm_at, free_memory, split_missing

logger = logging.getLogger("swarmformer.scaling")
START_S = 60.0
"""Seconds that a fresh process may take beside its calls."""

ENHANCEMENTS = (
    "windowed", "multi_head", "routing", "routing+neighbours", "gated_mlp", "layer_norm", "tied_qkv", "pyramid",
    "gumbel",
)  # fmt: skip


class Settings(Strict):
    """The keys of ``experiments.scaling`` that are no section, lists as lists."""

    variants: list[str] = Field(
        ["base", *(f"base+{name}" for name in ENHANCEMENTS), "enhanced", "enhanced+neighbours"], min_length=1
    )
    lengths: list[AtLeastOne] = Field([256, 768, 4096, 16384], min_length=2)
    batch: AtLeastOne = 1
    piece: int = Field(0, ge=0)
    threads: AtLeastOne = 1
    precision: Precision = "fp32"
    mode: Mode = "forward"
    budget_s: float = Field(300.0, gt=0)
    call_s: float = Field(30.0, gt=0)
    min_repeats: AtLeastOne = 5
    device: str = "auto"
    runs: str = "runs/scaling"
    name: str = "scaling"
    seed: int = Field(0, ge=0)


class ScalingMeasurement:
    """Every variant at every length; ``run`` fills ``rows``, ``missing`` and ``limits``.

    Raises:
        SpecError: a variant that cannot be read.
    """

    def __init__(self, settings: Settings, patch: Mapping[str, Any], device: torch.device) -> None:
        self.settings, self.device, self.threads = settings, device, settings.threads
        self.train = TrainSpec.from_dict(patch["train"])
        variants = [load_variant(name, [({"model": patch["model"]}, "command line")]) for name in settings.variants]
        found = [arm_at(variant, length) for length, variant in product(settings.lengths, variants)]
        self.arms, self.missing = split_missing(found)
        self.rows: list[ScalingRow] = []
        self.limits: dict[tuple[int, str], Limits] = {}
        self.samples: dict[tuple[str, int], Samples] = {}

    def run(self) -> None:
        """Memory first, which tells what is too large; then all that fits, in the same rounds."""
        memory = {arm: found for arm in self.arms if (found := self._memory(arm)) is not None}
        works = {arm: arm.work(self.settings.batch, self.settings.mode, self.device) for arm in memory}
        share = self.settings.budget_s * LIMIT_SHARE / 2
        end = now_s() + self.settings.budget_s - share
        before = self._measure_limits(works, share)
        samples = self._time(list(memory), end - now_s()) if memory else {}
        limits = before.raised_by(self._measure_limits(works, share))
        self.limits[self.threads, self.settings.precision] = limits
        for arm, timed in samples.items():
            self.samples[arm.variant, arm.length] = timed
            self.rows.append(self._row(arm, timed, memory[arm], works[arm]).judged(ScalingRow, limits))

    def _memory(self, arm: CostArm) -> MemoryRow | None:
        """Peaks of a fresh process; None, and a reason among ``missing``, where the pass is too large."""
        limit_s = self.settings.call_s
        try:
            found = measure_memory(
                arm.spec,
                length=arm.length,
                device=self.device,
                train=self.train,
                limit_bytes=free_memory() if self.device.type == "cpu" else None,
                timeout_s=START_S + 2 * limit_s,
                **self.settings.model_dump(include={"batch", "threads", "mode", "precision"}),
            )
            if found["call_s"] > limit_s:
                raise TooLargeError(f"one call takes {found['call_s']:.0f} s; call_s is {limit_s:.0f}")
        except TooLargeError as error:
            logger.info("%s at %d: missing, %s", arm.variant, arm.length, error)
            self.missing.append(MissingRow(variant=arm.variant, length=arm.length, reason=str(error)))
            return None
        logger.info("%s at %d: %.2f s a call in a fresh process", arm.variant, arm.length, found["call_s"])
        return found

    def _measure_limits(self, works: Mapping[CostArm, Work], budget_s: float) -> Limits:
        models = [arm.build_without_weights() for arm in self.arms]
        products = model_products(models, [self.settings.batch * length for length in self.settings.lengths])
        return limits_for(works.values(), products, self.device, self.settings.precision, budget_s)

    def _time(self, arms: list[CostArm], budget_s: float) -> dict[CostArm, Samples]:
        by_place = {f"{arm.variant} (length {arm.length})": arm for arm in arms}
        timed = measure_latency(
            {place: arm.build() for place, arm in by_place.items()},
            batches=[self.settings.batch],
            length={place: arm.length for place, arm in by_place.items()},
            device=self.device,
            train=self.train,
            budget_s=budget_s,
            **self.settings.model_dump(include={"threads", "precision", "mode", "min_repeats", "seed"}),
        )
        return {by_place[row.arm]: row.samples for row in timed}

    def _row(self, arm: CostArm, samples: Samples, memory: MemoryRow, work: Work) -> Timed:
        columns = {
            **arm.columns(),
            **self.settings.model_dump(include={"mode", "batch", "threads", "precision"}),
            **memory,
            "seconds": samples.seconds,
        }
        first = self.samples.get((self.settings.variants[0], arm.length))
        if first is not None:
            columns["of_first"] = median_ratio(samples.seconds, first.seconds)
        return Timed(f"{arm.variant} (length {arm.length})", columns, samples, work)

    def record(self, **head: Any) -> ScalingCosts:
        """With fitted and local exponents of every variant with at least two lengths."""
        fits = exponents(self.rows, self.settings.variants)
        growth = tuple(fit.model_copy(update={"local_seconds": self._local(fit)}) for fit in fits)
        return ScalingCosts(**head, rows=tuple(self.rows), missing=tuple(self.missing), growth=growth)

    def _local(self, fit: ScalingExponents) -> tuple[LocalExponent, ...]:
        return local_exponents({length: self.samples[fit.variant, length].seconds for length in fit.lengths})


def exponents(rows: Iterable[ScalingRow], variants: Sequence[str]) -> tuple[ScalingExponents, ...]:
    """Fitted exponents of every variant with at least two lengths."""
    ordered = sorted(rows, key=lambda row: row.length)
    grouped = [[row for row in ordered if row.variant == name] for name in variants]
    return tuple(_fitted(of_one) for of_one in grouped if len(of_one) > 1)


def _fitted(rows: list[ScalingRow]) -> ScalingExponents:
    lengths, grown = [row.length for row in rows], [row.growth_bytes for row in rows]
    return ScalingExponents(
        variant=rows[0].variant,
        lengths=tuple(lengths),
        flops=fitted_exponent(lengths, [row.flops for row in rows]),
        seconds=fitted_exponent(lengths, [row.median_s for row in rows]),
        # The passes on a short text may take no memory to speak of beyond the built model.
        memory=fitted_exponent(lengths, grown) if min(grown) > 0 else None,
    )
