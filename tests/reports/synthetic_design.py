"""Synthetic grids of a factorial design with effects that are known."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pyDOE3 import ff2n, fracfact_by_res

from tests.reports.synthetic_runs import plan, result, write_cell, write_registered

FACTORS = ("windowed", "multi_head", "routing", "gated_mlp", "layer_norm", "tied_qkv", "pyramid", "gumbel")
Terms = Mapping[tuple[str, ...], float]


def levels_of(factors: Sequence[str], resolution: int | None = 4) -> dict[str, tuple[str, ...]]:
    """Arm → factors that are on, of a fraction (or of the full factorial where ``resolution`` is None)."""
    matrix = ff2n(len(factors)) if resolution is None else fracfact_by_res(len(factors), resolution)
    on = [tuple(name for name, level in zip(factors, row, strict=True) if level > 0) for row in matrix]
    return {"+".join(("base", *names)): names for names in on}


def response(on: Collection[str], terms: Terms, mean: float = 0.7) -> float:
    """Mean accuracy of an arm. A term's effect is that of the factorial model: half of it is added where the product
    of its factors' signs (+1 on, −1 off) is +1, half taken away where it is −1."""
    signs = {term: np.prod([1 if name in on else -1 for name in term]) for term in terms}
    return mean + sum(effect / 2 * signs[term] for term, effect in terms.items())


def write_design(
    grid: Path,
    terms: Terms,
    *,
    factors: Sequence[str] = FACTORS,
    resolution: int | None = 4,
    seeds: Sequence[int] = (0, 1, 2),
    noise: float = 0.01,
    seed_noise: float = 0.0,
    margin_points: float = 0.3,
    draw: int = 0,
    **changes: Any,
) -> Path:
    """A completed grid: accuracy = response + a shift of the seed + noise of the run, both normal."""
    rng = np.random.default_rng(draw)
    levels = levels_of(factors, resolution)
    record = plan(list(levels), seeds, grid=grid.name)
    record["designs"] = [{
        "kind": "factorial" if resolution is None else "fractional", "base": "base", "factors": list(factors),
        "levels": {arm: list(on) for arm, on in levels.items()}, "resolution": resolution,
    }]  # fmt: skip
    record["primary"] = {"metric": "accuracy", "margin_points": margin_points}
    write_registered(grid, record)
    shifts = {seed: rng.normal(0, seed_noise) for seed in seeds}
    for seed in seeds:
        for arm, on in levels.items():
            accuracy = float(np.clip(response(on, terms) + shifts[seed] + rng.normal(0, noise), 0, 1))
            write_cell(grid, result(arm, seed, accuracy, **changes))
    return grid
