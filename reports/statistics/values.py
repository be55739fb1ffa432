"""The numbers that every test here starts from: one value per arm and seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

KEYS = ["arm", "seed"]


def clean(cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``cells`` (columns ``arm``, ``seed``, ``value``) that have a value, ordered by arm and seed.

    A row without a value (NaN: a run that is not completed) is missing, not zero, and is left out. Raises ValueError
    for a missing column, an infinite value, or two values of one arm and seed: take the runs of one grid, alike in
    data, code and device (``Evidence.alike``).
    """
    lacking = {*KEYS, "value"} - set(cells.columns)
    if lacking:
        raise ValueError(f"cells need the columns arm, seed, value; not there: {', '.join(sorted(lacking))}")
    found = cells[[*KEYS, "value"]].astype({"value": float}).dropna(subset=["value"])
    if not np.isfinite(found["value"]).all():
        raise ValueError("cells hold an infinite value; leave that run out")
    twice = found[found.duplicated(KEYS)]
    if len(twice):
        first = twice.iloc[0]
        raise ValueError(f"two values of arm {first['arm']!r}, seed {first['seed']}; take the runs of one grid")
    return found.sort_values(KEYS, kind="stable", ignore_index=True)


def by_seed(cells: pd.DataFrame, arm: str) -> dict[int, float]:
    """Seed → value of one arm, of ``clean`` cells."""
    found = cells[cells["arm"] == arm]
    return {int(seed): float(value) for seed, value in zip(found["seed"], found["value"], strict=True)}
