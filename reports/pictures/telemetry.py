"""What learned routers tell of themselves while they train: effective clusters, dead share, agreement … by layer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pandas as pd
from pydantic import Field

from ..evidence import Evidence
from .curve_series import Band, Curves, banded, curves_of
from .panels import Panel, panels
from .picture import Options, Picture
from .telemetry_drawing import draw_telemetry

COLUMNS = (
    "panel", "left_out", "arm", "layer", "quantity", "band", "step", "mean", "low", "high", "n", "runs", "shown",
    "routed",
)  # fmt: skip


class TelemetryOptions(Options):
    arms: list[str] | None = Field(default=None, min_length=1)
    """Arms to draw; where it is not given: those with telemetry, the best by validation accuracy first."""
    most: int = Field(default=4, gt=0)
    """How many arms of a grid at most, where they are not named."""
    quantities: list[str] = Field(default=["effective_clusters", "dead_share", "agreement"], min_length=1)
    """As curve.jsonl names them after the layer: ``0/dead_share``; ``temperature`` is another."""
    band: Band = "range"


def telemetry_data(evidence: Evidence, options: TelemetryOptions) -> pd.DataFrame:
    """One row per arm, layer (from 1), quantity and step.

    effective_clusters: exp(entropy of the clusters' shares of tokens) / clusters; dead_share: share of clusters with
    (almost) no token; agreement: share of tokens whose likeliest cluster is their own chunk; all fractions, means
    since the line before. n, runs and band as in the learning curves. shown: arms drawn of the ``routed`` ones that
    have telemetry.
    """
    rows = [
        {"panel": panel.name, "left_out": panel.left_out, "band": options.band, **row}
        for panel in panels(evidence, options.grids)
        for row in _panel(panel, options)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _panel(panel: Panel, options: TelemetryOptions) -> Iterator[dict[str, object]]:
    routed = _routed(panel)
    named = [arm for arm in options.arms or () if arm in routed]
    shown = named if options.arms else list(routed)[: options.most]
    for arm in shown:
        curves = routed[arm]
        for layer, quantity in _names(curves.found, options.quantities):
            for row in banded(curves.found, "train", f"{layer}/{quantity}", options.band).to_dict("records"):
                counts = {"runs": curves.runs, "shown": len(shown), "routed": len(routed)}
                yield {"arm": arm, "layer": layer + 1, "quantity": quantity, **counts, **row}


def _routed(panel: Panel) -> dict[str, Curves]:
    """Arms that have telemetry, best validation accuracy first."""
    means = panel.runs.groupby("label")["validation_accuracy"].mean().sort_index()
    ranked = means.sort_values(ascending=False, kind="stable").index
    read = {str(label): curves_of(panel, label) for label in ranked}
    return {label: curves for label, curves in read.items() if any(map(_has_telemetry, curves.found))}


def _has_telemetry(curve: pd.DataFrame) -> bool:
    return any(re.fullmatch(r"\d+/\w+", column) for column in curve.columns)


def _names(curves: Sequence[pd.DataFrame], quantities: Sequence[str]) -> list[tuple[int, str]]:
    """(layer from 0, quantity) of all that is there and asked for, in the order that it is asked for in."""
    columns = {column for curve in curves for column in curve.columns}
    found = [(int(match[1]), match[2]) for column in columns if (match := re.fullmatch(r"(\d+)/(\w+)", column))]
    asked = [pair for pair in found if pair[1] in quantities]
    return sorted(asked, key=lambda pair: (quantities.index(pair[1]), pair[0]))


TELEMETRY = Picture(TelemetryOptions, telemetry_data, draw_telemetry)
