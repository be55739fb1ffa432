"""Learning curves: validation accuracy and training loss by step, mean over seeds with a band."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from pydantic import Field

from ..evidence import Evidence
from .curve_series import Band, banded, curves_of
from .curves_drawing import draw_curves
from .panels import Panel, panels
from .picture import Options, Picture

MEASURES = {"validation accuracy": ("validation", "accuracy"), "training loss": ("train", "loss")}
COLUMNS = (
    "panel", "left_out", "measure", "arm", "role", "band", "step", "epoch", "mean", "low", "high", "n", "runs",
)  # fmt: skip


class CurvesOptions(Options):
    arms: list[str] | None = Field(default=None, min_length=1)
    """Arms to draw; where it is not given: the base, the original, the arm with all factors on, and the best one by
    validation accuracy."""
    band: Band = "range"
    """range: least to largest of the seeds; interval: 95 % t interval of their mean."""


def curves_data(evidence: Evidence, options: CurvesOptions) -> pd.DataFrame:
    """One row per arm, measure and step; accuracies as fractions, losses in nats (means since the line before).

    n: curves that the mean is over; runs: completed runs, some of which may have no readable curve. role: why an arm
    is drawn, where the options do not name it.
    """
    rows = [
        {"panel": panel.name, "left_out": panel.left_out, "arm": arm, "role": role, "band": options.band, **row}
        for panel in panels(evidence, options.grids)
        for arm, role in chosen(panel, options.arms).items()
        for row in _rows(panel, arm, options.band)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(panel: Panel, arm: str, band: Band) -> Iterator[dict[str, object]]:
    curves = curves_of(panel, arm)
    for measure, (kind, column) in MEASURES.items():
        for row in banded(curves.found, kind, column, band).to_dict("records"):
            yield {"measure": measure, "runs": curves.runs, **row}


def chosen(panel: Panel, arms: list[str] | None) -> dict[str, str | None]:
    """Label of an arm → its role. Arms that have no completed run are left out."""
    there = list(dict.fromkeys(panel.runs["label"]))
    if arms is not None:
        arm_of = dict(zip(panel.runs["label"], panel.runs["arm"], strict=True))
        return {label: None for arm in arms for label in there if arm_of[label] == arm}
    full = [arm for design in panel.designs for arm, on in design.levels.items() if set(on) == set(design.factors)]
    best = panel.runs.groupby("label")["validation_accuracy"].mean().sort_index().idxmax()
    roles = [(panel.grid.base, "base"), ("original", "original"), *((arm, "all on") for arm in full), (best, "best")]
    found: dict[str, str | None] = {}
    for arm, role in roles:
        if arm in there:
            found[arm] = f"{found[arm]}, {role}" if arm in found else role
    return found


CURVES = Picture(CurvesOptions, curves_data, draw_curves)
