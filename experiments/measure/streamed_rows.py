"""The measurements of ``experiments.scaling with piece=…``: texts in pieces (``swarmformer.long``), up to millions of
tokens.

A row may take many minutes, so each is kept in ``rows/`` as soon as it is measured: the same command goes on where it
was stopped. Limits are measured at the end, and when it goes on again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from swarmformer import long
from swarmformer.code import library_code
from swarmformer.cost.limits import Work
from swarmformer.cost.machine import Limits
from swarmformer.cost.memory import TooLargeError
from swarmformer.cost.operations import counted_flops
from swarmformer.cost.report import LIMIT_SHARE, limits_for, model_products, work_at
from swarmformer.cost.rounds import Samples
from swarmformer.cost.streamed import START_S, StreamOrder, StreamRow, measure_streamed
from swarmformer.data.files import json_hash
from swarmformer.errors import SpecError
from swarmformer.records import MissingRow, ScalingCosts, ScalingRow, UnreadableFileError, load_json, save_json
from swarmformer.variants import load_variant

from .measured import CostArm, Timed, free_memory
from .scaling_rows import Settings, exponents

logger = logging.getLogger("swarmformer.scaling")


class Streamed:
    """Every variant at every length, one fresh process each; ``run`` fills ``rows``, ``missing`` and ``limits``.

    Raises:
        SpecError: a variant that cannot be read, or keys that texts in pieces do not have.
    """

    def __init__(self, settings: Settings, patch: Mapping[str, Any], device: torch.device) -> None:
        for key, only in (("mode", "forward"), ("precision", "fp32")):
            if getattr(settings, key) != only:
                raise SpecError(f"command line: {key}: texts in pieces (piece) are read with {key}={only} alone")
        self.settings, self.device, self.threads = settings, device, settings.threads
        variants = [load_variant(name, [({"model": patch["model"]}, "command line")]) for name in settings.variants]
        self.arms: list[CostArm] = []
        self.pace: dict[str, tuple[float, int]] = {}
        self.missing: list[MissingRow] = []
        for length, variant in product(settings.lengths, variants):
            arm = CostArm(variant.name, length, variant.model_spec(), None)
            found = long.obstacles(arm.build_without_weights().eval())
            if found:
                self.missing.append(MissingRow(variant=arm.variant, length=length, reason="; ".join(found)))
            else:
                self.arms.append(arm)
        self.arms.sort(key=self._flops)
        self.rows: list[ScalingRow] = []
        self.limits: dict[tuple[int, str], Limits] = {}

    def run(self) -> None:
        """The cheapest first: what they took tells what is too much to ask of the others."""
        measured = {arm: row for arm in self.arms if (row := self._row(arm)) is not None}
        works = {arm: self._work(arm) for arm in measured}
        limits = self._measure_limits(works)
        self.limits[self.threads, self.settings.precision] = limits
        self.rows += [self._timed(arm, row, works[arm]).judged(ScalingRow, limits) for arm, row in measured.items()]

    def _flops(self, arm: CostArm) -> int:
        return arm.build_without_weights().flops(self.settings.batch, arm.length)

    def _check_time(self, arm: CostArm) -> None:
        """Raise TooLargeError where a call would take longer than ``call_s`` at the pace of the row before."""
        limit_s = self.settings.call_s
        per_flop, length = self.pace.get(arm.variant, (0.0, 0))
        if (expected := per_flop * self._flops(arm)) > limit_s:
            words = f"one call would take about {expected:,.0f} s, by its FLOPs and the pace at {length:,} tokens"
            raise TooLargeError(f"{words}; call_s is {limit_s:.0f}")

    def _order(self, arm: CostArm) -> StreamOrder:
        share = self.settings.budget_s * (1 - LIMIT_SHARE) / len(self.arms)
        return StreamOrder(
            model=arm.spec.to_dict(),
            length=arm.length,
            device=str(self.device),
            budget_s=share,
            limit_bytes=free_memory() if self.device.type == "cpu" else None,
            **self.settings.model_dump(include={"batch", "piece", "threads", "min_repeats", "seed"}),
        )

    def _row(self, arm: CostArm) -> StreamRow | None:
        """Kept from before, or measured and kept; None, and a reason among ``missing``, where it is too much."""
        order = self._order(arm)
        asked = json_hash({**order.model_dump(exclude={"limit_bytes", "budget_s"}), "code": library_code().hash})
        path = Path(self.settings.runs, self.settings.name, "rows", f"{arm.key}-{arm.length}.json")
        row = _kept(path, asked)
        try:
            if row is None:
                self._check_time(arm)
                row = self._measured(order)
                path.parent.mkdir(parents=True, exist_ok=True)
                save_json(path, {"asked": asked, "row": dict(row)})
        except TooLargeError as error:
            logger.info("%s at %d: missing, %s", arm.variant, arm.length, error)
            self.missing.append(MissingRow(variant=arm.variant, length=arm.length, reason=str(error)))
            return None
        fastest = min(row["seconds"])
        self.pace[arm.variant] = fastest / self._flops(arm), arm.length
        logger.info("%s at %d: %.4g s a call", arm.variant, arm.length, fastest)
        return row

    def _measured(self, order: StreamOrder) -> StreamRow:
        limit_s = self.settings.call_s
        row = measure_streamed(order, START_S + (order.min_repeats + 1) * limit_s + order.budget_s)
        if min(row["seconds"]) > limit_s:
            raise TooLargeError(f"one call takes {min(row['seconds']):.0f} s; call_s is {limit_s:.0f}")
        return row

    def _work(self, arm: CostArm) -> Work:
        """What fast paths leave of the operations is the same share of every piece."""
        model, piece = arm.build_without_weights(), self.settings.piece
        work = work_at(model, self.settings.batch, arm.length)
        share = counted_flops(arm.build(), 1, piece, fast=True) / model.flops(1, piece)
        return replace(work, computed_flops=round(min(1.0, share) * work.flops))

    def _measure_limits(self, works: Mapping[CostArm, Work]) -> Limits:
        products = model_products([arm.build_without_weights() for arm in self.arms], [self.settings.piece])
        share = self.settings.budget_s * LIMIT_SHARE
        return limits_for(works.values(), products, self.device, self.settings.precision, share)

    def _timed(self, arm: CostArm, row: StreamRow, work: Work) -> Timed:
        before, after = row["load_average"]
        samples = Samples(tuple(row["seconds"]), (before, after))
        tokens = arm.length * self.settings.batch
        columns = {
            **arm.columns(),
            **self.settings.model_dump(include={"mode", "batch", "piece", "threads", "precision"}),
            **row,
            "seconds": samples.seconds,
            "cpu_s": tuple(row["cpu_s"]),
            "tokens_per_s": tokens / samples.p50,
            "cpu_us_per_token": 1e6 * float(np.median(row["cpu_s"])) / tokens,
        }
        return Timed(f"{arm.variant} (length {arm.length})", columns, samples, work)

    def record(self, **head: Any) -> ScalingCosts:
        """With fitted exponents of every variant with at least two lengths; there are no rounds to compare them by."""
        growth = exponents(self.rows, self.settings.variants)
        return ScalingCosts(**head, rows=tuple(self.rows), missing=tuple(self.missing), growth=growth)


def _kept(path: Path, asked: str) -> StreamRow | None:
    """The row of just this order by this code; one that cannot be read is measured again."""
    try:
        content = load_json(path) if path.exists() else {}
    except UnreadableFileError:
        return None
    row: StreamRow | None = content.get("row") if content.get("asked") == asked else None
    return row
