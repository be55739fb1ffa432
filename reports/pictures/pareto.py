"""Test accuracy against FLOPs, or against latency: arms with intervals, floors, ceilings and the Pareto front."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pandas as pd
from pydantic import Field

from ..costs import latency_at
from ..evidence import Evidence
from ..statistics.interval import mean_interval
from .front import on_front
from .panels import Panel, panels
from .pareto_drawing import draw_pareto
from .picture import Options, Picture

COLUMNS = (
    "panel", "left_out", "against", "batch", "kind", "name", "is_base", "n", "accuracy", "low", "high", "cost",
    "cost_length", "on_front", "missing",
)  # fmt: skip


class ParetoOptions(Options):
    against: list[Literal["flops", "latency"]] = Field(default=["flops"], min_length=1)
    """One panel beside the other."""
    batch: int = Field(default=1, gt=0)
    """Of the latency."""


def pareto_data(evidence: Evidence, options: ParetoOptions) -> pd.DataFrame:
    """One row per arm, floor and ceiling of each panel.

    accuracy, low, high: mean over ``n`` seeds and its 95 % t interval (floors: one predictor, ``n`` examples), as
    fractions. cost: FLOPs of a forward pass of one example (multiply-adds × 2), or median seconds of one on a batch,
    at ``cost_length`` tokens. missing: why an arm has no point.
    """
    rows = [
        {"panel": panel.name, "left_out": panel.left_out, "against": against, "batch": batch, **row}
        for panel in panels(evidence, options.grids)
        for against in options.against
        for batch in [options.batch if against == "latency" else 1]
        for row in (*_arms(panel, against, batch), *_floors(panel))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _arms(panel: Panel, against: str, batch: int) -> list[dict[str, Any]]:
    rows = [row for arm in panel.arms for row in _rows_of(panel, arm, against, batch)]
    placed = [row for row in rows if row["missing"] is None]
    front = on_front([row["cost"] for row in placed], [row["accuracy"] for row in placed])
    for row, is_on in zip(placed, front, strict=True):
        row["on_front"] = is_on
    return rows


def _rows_of(panel: Panel, arm: str, against: str, batch: int) -> Iterator[dict[str, Any]]:
    runs = panel.runs[panel.runs["arm"] == arm]
    base = {"kind": "arm", "is_base": arm == panel.grid.base, "on_front": False}
    if runs.empty:
        yield {**base, "name": arm, "n": 0, "missing": _reason(panel, arm)}
    for label, mine in runs.groupby("label"):
        mean = mean_interval(mine["accuracy"].tolist())
        assert mean is not None
        measured = {"n": mean.n, "accuracy": mean.mean, "low": mean.low, "high": mean.high}
        cost, length = _cost(panel, mine.iloc[0], against, batch)
        yield {
            **base, "name": label, **measured, "cost": cost, "cost_length": length,
            "missing": "not timed" if cost is None else None,
        }  # fmt: skip


def _reason(panel: Panel, arm: str) -> str:
    finished = [cell for cell in panel.grid.cells if cell.arm == arm and cell.result is not None]
    return "runs left out" if finished else "no finished run"


def _cost(panel: Panel, run: pd.Series, against: str, batch: int) -> tuple[float | None, int | None]:
    if against == "flops":
        return float(run["flops_forward"]), int(run["flops_length"])
    found = latency_at(panel.grid.costs, run["run_key"], batch, int(run["flops_length"]))
    return (None, None) if found is None else (found.median_s, found.length)


def _floors(panel: Panel) -> list[dict[str, Any]]:
    floors = panel.grid.floors
    if floors is None or floors.task != panel.task:
        return []
    return [
        {
            "kind": floor.kind, "is_base": False, "n": floor.n, "accuracy": floor.accuracy, "on_front": False,
            "name": floor.name if floor.split == "test" else f"{floor.name} ({floor.split} split)",
        }
        for floor in floors.floors
    ]  # fmt: skip


PARETO = Picture(ParetoOptions, pareto_data, draw_pareto)
