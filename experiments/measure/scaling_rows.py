"""The measurements of ``experiments.scaling``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor

from swarmformer.contracts import Model
from swarmformer.cost import MemoryRow, Samples, TooLargeError, count_parameters, measure_memory, time_arms
from swarmformer.cost.limits import Work
from swarmformer.cost.machine import Limits
from swarmformer.cost.passes import check_result, make_call, random_batch
from swarmformer.cost.report import LIMIT_SHARE, limits_for, model_products
from swarmformer.cost.timing import now_s
from swarmformer.data.batching import Batch
from swarmformer.spec import TrainSpec
from swarmformer.variants import load_variant

from ..measure.exponents import fitted_exponent, local_exponents, median_ratio
from ..measure.measured import CostArm, Missing, Timed, arm_at, free_memory, split_missing

logger = logging.getLogger("swarmformer.scaling")
START_S = 60.0
"""Seconds that a fresh process may take beside its calls."""


class Growth:
    """Every variant at every length; ``run`` fills ``rows``, ``missing`` and ``limits``.

    Raises:
        SpecError: a variant that cannot be read.
    """

    limits: Limits

    def __init__(self, settings: Mapping[str, Any], patch: Mapping[str, Any], device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.train = TrainSpec.from_dict(patch["train"])
        variants = [load_variant(name, [({"model": patch["model"]}, "command line")]) for name in settings["variants"]]
        found = [arm_at(variant, length) for length, variant in product(settings["lengths"], variants)]
        self.arms, self.missing = split_missing(found)
        self.rows: list[dict[str, Any]] = []
        self.samples: dict[tuple[str, int], Samples] = {}

    def run(self) -> None:
        """Memory first, which tells what is too large; then all that fits, in the same rounds."""
        memory = {arm: found for arm in self.arms if (found := self._memory(arm)) is not None}
        works = {arm: arm.work(self.settings["batch"], self.settings["mode"], self.device) for arm in memory}
        share = self.settings["budget_s"] * LIMIT_SHARE / 2
        end = now_s() + self.settings["budget_s"] - share
        before = self._measure_limits(works, share)
        samples = self._time(list(memory), end - now_s()) if memory else {}
        self.limits = before.raised_by(self._measure_limits(works, share))
        for arm, timed in samples.items():
            self.samples[arm.variant, arm.length] = timed
            self.rows.append(self._row(arm, timed, memory[arm], works[arm]))

    def _memory(self, arm: CostArm) -> MemoryRow | None:
        """Peaks of a fresh process; None, and a reason among ``missing``, where the pass is too large."""
        limit_s = self.settings["call_s"]
        options = {key: self.settings[key] for key in ("batch", "threads", "mode", "precision")}
        try:
            found = measure_memory(
                arm.spec,
                length=arm.length,
                device=self.device,
                train=self.train,
                limit_bytes=free_memory() if self.device.type == "cpu" else None,
                timeout_s=START_S + 2 * limit_s,
                **options,
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
        products = model_products(models, [self.settings["batch"] * length for length in self.settings["lengths"]])
        return limits_for(works.values(), products, self.device, self.settings["precision"], budget_s)

    def _time(self, arms: list[CostArm], budget_s: float) -> dict[CostArm, Samples]:
        by_place = {f"{arm.variant} (length {arm.length})": arm for arm in arms}
        models = {place: arm.build().to(self.device) for place, arm in by_place.items()}
        batches = {place: self._batch(models[place], arm) for place, arm in by_place.items()}
        calls: dict[str, Callable[[], Tensor]] = {
            place: make_call(model, batches[place], self.settings["mode"], self.settings["precision"], self.train)
            for place, model in models.items()
        }

        def check(place: str, result: Tensor) -> None:
            check_result(place, models[place], batches[place], self.settings["mode"], result)

        options = {key: self.settings[key] for key in ("min_repeats", "seed")}
        timed = time_arms(calls, device=self.device, budget_s=budget_s, check=check, **options)
        return {by_place[place]: samples for place, samples in timed.items()}

    def _batch(self, model: Model, arm: CostArm) -> Batch:
        return random_batch(model, self.settings["batch"], arm.length, device=self.device, seed=self.settings["seed"])

    def _row(self, arm: CostArm, samples: Samples, memory: MemoryRow, work: Work) -> dict[str, Any]:
        columns = {**arm.columns(), "mode": self.settings["mode"], "batch": self.settings["batch"], **memory}
        same = {"threads": self.settings["threads"], "precision": self.settings["precision"]}
        columns["parameters"] = count_parameters(arm.build_without_weights())
        columns["seconds"] = list(samples.seconds)
        first = self.samples.get((self.settings["variants"][0], arm.length))
        if first is not None:
            columns["of_first"] = median_ratio(samples.seconds, first.seconds).to_dict()
        return Timed(f"{arm.variant} (length {arm.length})", columns, samples, work).judged(self.limits, same)

    def exponents(self) -> list[dict[str, Any]]:
        """For every variant with at least two lengths: fitted and local exponents."""
        found = []
        for variant in self.settings["variants"]:
            rows = sorted((row for row in self.rows if row["variant"] == variant), key=lambda row: row["length"])
            if len(rows) < 2:
                continue
            lengths = [row["length"] for row in rows]
            fits = {
                "flops": fitted_exponent(lengths, [row["flops"] for row in rows]).to_dict(),
                "seconds": fitted_exponent(lengths, [row["median_s"] for row in rows]).to_dict(),
                "memory": self._memory_exponent(rows),
            }
            seconds = {length: self.samples[variant, length].seconds for length in lengths}
            found.append(
                {
                    "variant": variant,
                    "lengths": lengths,
                    **fits,
                    "local_seconds": local_exponents(seconds),
                }
            )
        return found

    @staticmethod
    def _memory_exponent(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
        """Of what the passes took beyond the built model; None where a short text took nothing to speak of."""
        taken = [row["growth_bytes"] for row in rows]
        return fitted_exponent([row["length"] for row in rows], taken).to_dict() if min(taken) > 0 else None
