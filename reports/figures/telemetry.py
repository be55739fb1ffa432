"""What learned routers tell of themselves while they train: effective clusters, dead share, agreement … by layer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from pydantic import Field

from ..study.curves import arm_curves, lines_of
from ..study.model import GridStudy, Study
from ..study.subjects import Arm
from .curves import Band, band_note, banded, curves_of, plot_bands, seeds
from .kind import Figure, figure, label, said
from .look import line_style

TELEMETRY = re.compile(r"(\d+)/(\w+)")
"""Names of curve.jsonl: layer from 0, quantity."""
IN_A_FILE = re.compile(rb'"\d+/')
NAMES = {
    "effective_clusters": "effective clusters,\nexp(H) / C",
    "dead_share": "dead share",
    "agreement": "agreement with\nown chunk",
}
"""Quantities between 0 and 1, whose axes show all of that."""


@figure("telemetry")
class Telemetry(Figure):
    """One row of data per arm, layer (from 1), quantity and step.

    effective_clusters: exp(entropy of the clusters' shares of tokens) / clusters; dead_share: share of clusters with
    (almost) no token; agreement: share of tokens whose likeliest cluster is their own chunk; all fractions, means
    since the line before. n, runs and band as in the learning curves. shown: arms drawn of the ``routed`` ones that
    have telemetry.
    """

    rows: ClassVar = ["panel", "arm"]
    beside: ClassVar = "quantity"
    has_one_key: ClassVar = True
    inches: ClassVar = 1.8

    arms: list[str] | None = Field(default=None, min_length=1)
    """Arms to draw; where it is not given: those with telemetry, the best by validation accuracy first."""
    most: int = Field(default=4, gt=0)
    """How many arms of a grid at most, where they are not named."""
    quantities: list[str] = Field(default=["effective_clusters", "dead_share", "agreement"], min_length=1)
    """As curve.jsonl names them after the layer: ``0/dead_share``; ``temperature`` is another."""
    band: Band = "range"

    def read(self, study: Study) -> Iterator[dict[str, Any]]:
        for panel, grid in self.panels(study):
            routed = _routed(grid)
            named = [arm for arm in self.arms or () if arm in routed]
            shown = named if self.arms else list(routed)[: self.most]
            for arm in shown:
                curves = curves_of(grid, routed[arm])
                head = {**panel, "arm": arm, "runs": routed[arm].n, "band": self.band}
                head |= {"shown": len(shown), "routed": len(routed)}
                known = sorted(_columns(curves))
                for layer, quantity in ((at, name) for asked in self.quantities for at, name in known if name == asked):
                    for row in banded(curves, "train", f"{layer}/{quantity}", self.band):
                        yield {**head, "layer": layer + 1, "quantity": quantity, **row}

    def heading(self, row: pd.DataFrame) -> str:
        arm, shown, routed = row[["arm", "shown", "routed"]].iloc[0]
        of = f", {shown} of {routed} routed arms shown" if shown < routed else ""
        return f"{said(row)}: {arm} ({seeds(row)}{of})"

    def handles(self, row: pd.DataFrame) -> list[Line2D]:
        layers = sorted(row["layer"].unique())
        lines = [Line2D([], [], label=f"layer {layer}", **line_style(layer - 1)) for layer in layers]
        return [*lines, Line2D([], [], linestyle="", label=band_note(row))]

    def plot(self, axis: Axes, cell: pd.DataFrame, row: pd.DataFrame) -> None:
        quantity = cell["quantity"].iloc[0]
        plot_bands(axis, cell, "layer", {layer: line_style(layer - 1) for layer in cell["layer"]})
        axis.set(ylabel=NAMES.get(quantity, quantity), xlabel="optimiser steps")
        if quantity in NAMES:
            axis.set_ylim(-0.04, 1.04)


def _routed(grid: GridStudy) -> dict[str, Arm]:
    """Arms that have telemetry, best validation accuracy first."""
    arms = sorted((arm for arm in grid.arms if arm.n), key=lambda arm: (-arm.means["validation_accuracy"], arm.name))
    return {label(grid, arm): arm for arm in arms if _has_telemetry(grid, arm)}


def _has_telemetry(grid: GridStudy, arm: Arm) -> bool:
    """Read whole only where something like a name of it stands: most arms of most grids route nothing."""
    if not any(map(_names_any, arm_curves(grid, arm).values())):
        return False
    lines = (line for _, of_run in lines_of(grid, arm) for line in of_run)
    return any(TELEMETRY.fullmatch(name) for line in lines for name in line.model_extra or ())


def _names_any(curve: Path) -> bool:
    with suppress(OSError):
        return IN_A_FILE.search(curve.read_bytes()) is not None
    return False


def _columns(curves: Sequence[pd.DataFrame]) -> set[tuple[int, str]]:
    """(layer from 0, quantity) of all telemetry that is there."""
    names = {column for curve in curves for column in curve.columns}
    return {(int(match[1]), match[2]) for name in names if (match := TELEMETRY.fullmatch(name))}
