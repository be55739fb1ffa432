"""Peak memory of the published sizes at the batch that the documents name, on the CPU, in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from swarmformer.cost.memory import TooLargeError, measure_memory
from swarmformer.cost.passes import Mode
from swarmformer.variants import load_variant

from ..measure.measured import free_memory
from ..properties.behaviour import PUBLISHED

BATCHES = (256, 128, 64, 32)
"""The documents' batch, then what is tried where it does not fit."""
MODES: tuple[Mode, ...] = ("forward", "training")
Row = dict[str, Any]


def memory_rows(threads: int, batches: Sequence[int] = BATCHES) -> tuple[list[Row], list[Row]]:
    """One row per variant, mode and path: the largest batch that fits; and the batches that do not.

    ``fast``: with the fast paths of the CPU, which write out less; else every operation as it is written.
    """
    rows: list[Row] = []
    missing: list[Row] = []
    for variant in PUBLISHED:
        for mode in MODES:
            for fast in (False, True):
                row, gaps = _largest(variant, mode, fast, threads, batches)
                missing += gaps
                rows += [] if row is None else [row]
    return rows, missing


def _largest(
    variant: str, mode: Mode, fast: bool, threads: int, batches: Sequence[int]
) -> tuple[Row | None, list[Row]]:
    spec = load_variant(variant).model_spec()
    gaps: list[Row] = []
    for batch in batches:
        where = {"mode": mode, "fast": fast, "batch": batch, "length": spec.dims.seq_len}
        try:
            measured = measure_memory(
                spec, batch=batch, length=spec.dims.seq_len, device=torch.device("cpu"), threads=threads, mode=mode,
                limit_bytes=free_memory(), fast=fast,
            )  # fmt: skip
        except TooLargeError as error:
            gaps.append({"variant": variant, **where, "reason": str(error)})
            continue
        sizes = {name: measured[name] for name in ("peak_bytes", "growth_bytes", "method")}  # type: ignore[literal-required]
        return {"variant": variant, **where, "precision": "fp32", **sizes}, gaps
    return None, gaps
