"""Peak memory of the published sizes at the batch that the documents name, on the CPU, in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from swarmformer.cost.memory import TooLargeError, measure_memory
from swarmformer.cost.passes import Mode
from swarmformer.records.properties import PeakMemory, TooLarge
from swarmformer.variants import load_variant

from ..measure.measured import free_memory
from ..properties.behaviour import PUBLISHED

BATCHES = (256, 128, 64, 32)
"""The documents' batch, then what is tried where it does not fit."""
MODES: tuple[Mode, ...] = ("forward", "training")


def memory_rows(threads: int, batches: Sequence[int] = BATCHES) -> tuple[list[PeakMemory], list[TooLarge]]:
    """One row per variant, mode and path: the largest batch that fits; and the batches that do not.

    ``fast``: with the fast paths of the CPU, which write out less; else every operation as it is written.
    """
    rows: list[PeakMemory] = []
    missing: list[TooLarge] = []
    for variant in PUBLISHED:
        for mode in MODES:
            for fast in (False, True):
                row, gaps = _largest(variant, mode, fast, threads, batches)
                missing += gaps
                rows += [] if row is None else [row]
    return rows, missing


def _largest(
    variant: str, mode: Mode, fast: bool, threads: int, batches: Sequence[int]
) -> tuple[PeakMemory | None, list[TooLarge]]:
    spec = load_variant(variant).model_spec()
    gaps: list[TooLarge] = []
    for batch in batches:
        where: dict[str, Any] = {"mode": mode, "fast": fast, "batch": batch, "length": spec.dims.seq_len}
        try:
            measured = measure_memory(
                spec, batch=batch, length=spec.dims.seq_len, device=torch.device("cpu"), threads=threads, mode=mode,
                limit_bytes=free_memory(), fast=fast,
            )  # fmt: skip
        except TooLargeError as error:
            gaps.append(TooLarge(variant=variant, **where, reason=str(error)))
            continue
        return PeakMemory(
            variant=variant, **where, precision="fp32", peak_bytes=measured["peak_bytes"],
            growth_bytes=measured["growth_bytes"], method=measured["method"],
        ), gaps  # fmt: skip
    return None, gaps
