"""The measurements of ``experiments.scaling``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import torch
from pydantic import Field

from swarmformer.contracts import AtLeastOne, Strict
from swarmformer.cost.latency import measure_latency
from swarmformer.cost.limits import Work
from swarmformer.cost.machine import Limits
from swarmformer.cost.memory import MemoryRow, TooLargeError, measure_memory
from swarmformer.cost.parts import count_parameters
from swarmformer.cost.passes import Mode
from swarmformer.cost.report import LIMIT_SHARE, limits_for, model_products
from swarmformer.cost.rounds import Samples
from swarmformer.cost.timing import now_s
from swarmformer.modes import Precision
from swarmformer.spec import TrainSpec
from swarmformer.variants import load_variant

from ..measure.exponents import fitted_exponent, local_exponents, median_ratio
from ..measure.measured import CostArm, Missing, Timed, arm_at, free_memory, split_missing

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


class Growth:
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
        self.rows: list[dict[str, Any]] = []
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
            self.rows.append(self._row(arm, timed, memory[arm], works[arm]).judged(limits, {}))

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
            self.missing.append(Missing(arm.variant, {"length": arm.length}, str(error)))
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
            "parameters": count_parameters(arm.build_without_weights()).model_dump(),
            "seconds": list(samples.seconds),
        }
        first = self.samples.get((self.settings.variants[0], arm.length))
        if first is not None:
            columns["of_first"] = median_ratio(samples.seconds, first.seconds).to_dict()
        return Timed(f"{arm.variant} (length {arm.length})", columns, samples, work)

    def more(self) -> dict[str, Any]:
        """Fitted and local exponents of every variant with at least two lengths."""
        fits = exponents(self.rows, self.settings.variants)
        return {"growth": [{**fit, "local_seconds": self._local(fit["variant"], fit["lengths"])} for fit in fits]}

    def _local(self, variant: str, lengths: list[int]) -> list[dict[str, Any]]:
        return local_exponents({length: self.samples[variant, length].seconds for length in lengths})


def exponents(rows: list[dict[str, Any]], variants: Sequence[str]) -> list[dict[str, Any]]:
    """Fitted exponents of every variant with at least two lengths."""
    grouped = [
        sorted((row for row in rows if row["variant"] == name), key=lambda row: row["length"]) for name in variants
    ]
    return [_fitted(of_one) for of_one in grouped if len(of_one) > 1]


def _fitted(rows: list[dict[str, Any]]) -> dict[str, Any]:
    lengths = [row["length"] for row in rows]
    costs = {"flops": "flops", "seconds": "median_s", "memory": "growth_bytes"}
    taken = {name: [row[key] for row in rows] for name, key in costs.items()}
    # The passes on a short text may take no memory to speak of beyond the built model.
    fits = {name: fitted_exponent(lengths, t).to_dict() if min(t) > 0 else None for name, t in taken.items()}
    return {"variant": rows[0]["variant"], "lengths": lengths, **fits}
