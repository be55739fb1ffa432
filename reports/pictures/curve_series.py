"""Curves of an arm's runs → mean and band by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from ..cell_files import read_curve
from ..errors import UnreadableFileError
from ..statistics.interval import mean_interval
from .panels import Panel

Band = Literal["range", "interval"]


@dataclass(frozen=True)
class Curves:
    """curve.jsonl of the runs of one arm; ``runs`` counts those that have none, or an unreadable one, too."""

    found: tuple[pd.DataFrame, ...]
    runs: int


def curves_of(panel: Panel, label: str) -> Curves:
    """The curves of an arm, by its label in the panel, in the order of its seeds."""
    runs = panel.runs[panel.runs["label"] == label].sort_values("seed")
    read = [_curve(panel.grid.folder / Path(where).name) for where in runs["where"]]
    return Curves(tuple(curve for curve in read if not curve.empty), len(runs))


def _curve(cell: Path) -> pd.DataFrame:
    """Empty where it cannot be read: the picture counts the curves that it has, and says so."""
    try:
        return read_curve(cell)
    except UnreadableFileError:
        return pd.DataFrame()


def banded(curves: Sequence[pd.DataFrame], kind: str, column: str, band: Band) -> pd.DataFrame:
    """step, epoch, mean, low, high, n of one column, over the curves that have it.

    Only steps that all of those have: a run that was stopped and went on has written some of its own, and a mean
    over changing sets of runs would jump. low and high are least and largest, or the 95 % t interval; empty (NaN) for
    one run. epoch is empty in lines of training.
    """
    parts = [curve[curve["kind"] == kind] for curve in curves if {"kind", "step", column} <= set(curve.columns)]
    parts = [part.dropna(subset=[column]) for part in parts if part[column].notna().any()]
    if not parts:
        return pd.DataFrame()
    whole = pd.concat(parts, ignore_index=True).assign(epoch=lambda rows: rows.get("epoch"))
    grouped = whole.groupby("step", sort=True)
    rows = [
        {"step": int(step), "epoch": group["epoch"].iloc[0], **_band(group[column].tolist(), band)}
        for step, group in grouped
        if len(group) == len(parts)
    ]
    return pd.DataFrame(rows)


def _band(values: list[float], band: Band) -> dict[str, float | int | None]:
    found = mean_interval(values)
    assert found is not None
    low, high = (found.low, found.high) if band == "interval" else (min(values), max(values))
    alone = found.n == 1
    return {"mean": found.mean, "low": None if alone else low, "high": None if alone else high, "n": found.n}
