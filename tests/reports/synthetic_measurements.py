"""Synthetic measurements of cost, as files of schema 1 have them."""

from __future__ import annotations

from typing import Any

LIMITS = {"matmul_flops_per_s": 1e11, "copy_bytes_per_s": 1e10}


def timing(median_s: float, repeats: int = 5) -> dict[str, Any]:
    """From 10 % below the median to 10 % above."""
    spread = {"p20_s": 0.9, "p80_s": 1.1, "p90_s": 1.1, "p95_s": 1.1}
    seconds = {key: median_s * times for key, times in spread.items()}
    return {"median_s": median_s, **seconds, "repeats": repeats, "load_average": [0.1, 0.2]}


def least_time(flops: int, share: float) -> dict[str, Any]:
    rates = {"ceiling_flops_per_s": 1e11, "ceiling_bytes_per_s": 1e10}
    shares = {"floor_s": 0.0, "share_of_ceiling": share, "share_of_floor": share}
    return {"flops": flops, "computed_flops": flops, "least_bytes": 8, **rates, **shares}


def scaling_row(variant: str, length: int, flops: int, median_s: float, share: float = 0.5) -> dict[str, Any]:
    return {
        "run_key": variant, "variant": variant, "length": length, "mode": "forward", "batch": 1, "threads": 1,
        "precision": "fp32", "parameters": {"total": 1000, "without_embedding": 10}, "peak_bytes": 2**30,
        "growth_bytes": 2**20, "seconds": [median_s] * 5, **timing(median_s), **least_time(flops, share),
    }  # fmt: skip


def scaling(*rows: dict[str, Any], missing: list[dict[str, Any]], growth: list[dict[str, Any]]) -> dict[str, Any]:
    limits = {"ceilings": LIMITS, "ceilings_by": [{"threads": 1, "measured_for": "fp32", **LIMITS}]}
    head = {"schema": 1, "machine": {}, "device": "cpu", "threads": 1, **limits, **begun("abc")}
    return {**head, "rows": list(rows), "missing": missing, "growth": growth}


def begun(code_revision: str, **changes: Any) -> dict[str, Any]:
    """What every measurement says of itself."""
    return {"settings": {}, "start": start(code_revision, **changes)}


def start(code_revision: str, **changes: Any) -> dict[str, Any]:
    """What a start found."""
    machine: dict[str, Any] = {"git": None, "machine": {}, "threads": {}, "device": {}}
    return {"code_revision": code_revision, "python": "3.11", "platform": "any", "packages": {}, **machine, **changes}
