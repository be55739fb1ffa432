"""Learning curves: validation accuracy and training loss by step or by what it cost, a mean over seeds with a band."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator
from pydantic import Field

from ..statistics.interval import mean_interval
from ..study.curves import lines_of
from ..study.model import GridStudy, Study
from ..study.subjects import Arm
from .kind import Figure, bounds, figure, label
from .look import line_styles, name_levels

Band = Literal["range", "interval"]
MEASURES = {"validation accuracy": ("validation", "accuracy", 100, "%"), "training loss": ("train", "loss", 1, "nats")}
AXES = {"step": "optimiser steps", "flops": "FLOPs of training so far"}
BANDS = {"range": "least to largest of the seeds", "interval": "95 % t interval of the mean"}


@figure("curves")
class Curves(Figure):
    """One row of data per arm, measure and step; accuracies as fractions, losses in nats (means since the line before).

    flops: of training until that step, pads included, a mean over seeds. n: curves that the mean is over; runs:
    completed runs, some of which may have no readable curve. role: why an arm is drawn, where no option names it.
    """

    beside: ClassVar = "measure"
    inches: ClassVar = 2.8

    arms: list[str] | None = Field(default=None, min_length=1)
    """Arms to draw; where it is not given: the base, the original, the arm with all factors on, and the best one by
    validation accuracy."""
    band: Band = "range"
    """range: least to largest of the seeds; interval: 95 % t interval of their mean."""
    against: Literal["step", "flops"] = "step"
    """What lies on the axis: optimiser steps, or the FLOPs of training until then, at which unlike arms can be held
    against each other. An arm with a run that was not counted is named instead of drawn then."""

    def read(self, study: Study) -> Iterator[dict[str, Any]]:
        for panel, grid in self.panels(study):
            chosen = [(arm, role, curves_of(grid, arm)) for arm, role in _chosen(grid, self.arms)]
            counted = {label(grid, arm): flops_per_step(arm, curves) for arm, _, curves in chosen}
            left = [name for name, flops in counted.items() if flops is None and self.against == "flops"]
            for arm, role, curves in (each for each in chosen if label(grid, each[0]) not in left):
                flops = counted[label(grid, arm)]
                head = {**panel, "not_counted": ", ".join(left) or None, "arm": label(grid, arm), "role": role,
                        "band": self.band, "runs": arm.n}  # fmt: skip
                for measure, (kind, column, _, _) in MEASURES.items():
                    rows = banded(curves, kind, column, self.band)
                    spent = ({**row, "flops": None if flops is None else flops * row["step"]} for row in rows)
                    yield from ({**head, "measure": measure, **row} for row in spent)

    def heading(self, row: pd.DataFrame) -> str:
        """With the arms that are not drawn."""
        left = row["not_counted"].iloc[0]
        return super().heading(row) + (f"; training not counted: {left}" if isinstance(left, str) else "")

    def handles(self, row: pd.DataFrame) -> list[Line2D]:
        looks = line_styles(row["arm"])
        names = {arm: arm if short == arm else f"{short}: {arm}" for arm, short in _short(row).items()}
        lines = [
            Line2D([], [], label=f"{names[str(arm)]} ({seeds(rows)})", **looks[str(arm)])
            for arm, rows in row.groupby("arm", sort=False)
        ]
        return [*lines, Line2D([], [], linestyle="", label=band_note(row))]

    def plot(self, axis: Axes, cell: pd.DataFrame, row: pd.DataFrame) -> None:
        """Means as lines, each with a short name at its end; bands where there are several seeds."""
        measure, short = cell["measure"].iloc[0], _short(row)
        _, _, scale, unit = MEASURES[measure]
        scaled = cell.assign(**{column: scale * cell[column] for column in ("mean", "low", "high")})
        plot_bands(axis, scaled, "arm", line_styles(row["arm"]), self.against)
        ends = scaled.groupby("arm", sort=False)["mean"].last()
        name_levels(axis, {", ".join(short[arm] for arm in ends.index[ends == end]): end for end in ends})
        axis.set(ylabel=f"{measure}, {unit}", xlabel=AXES[self.against])


def curves_of(grid: GridStudy, arm: Arm) -> list[pd.DataFrame]:
    """curve.jsonl of an arm's runs, in the order of its seeds, without those that are missing or cannot be read."""
    curves = (pd.DataFrame([line.model_dump() for line in lines]) for _, lines in lines_of(grid, arm))
    return [curve for curve in curves if not curve.empty]


def flops_per_step(arm: Arm, curves: Sequence[pd.DataFrame]) -> float | None:
    """A mean over the arm's runs; None where one of them was not counted, or has no curve."""
    spent, steps = arm.runs["training_flops"], [float(curve["step"].max()) for curve in curves]
    known = len(steps) == arm.n > 0 and spent.notna().all()
    return float(spent.sum()) / sum(steps) if known else None


def banded(curves: Sequence[pd.DataFrame], kind: str, column: str, band: Band) -> Iterator[dict[str, Any]]:
    """step, epoch, mean, low, high, n of one column, over the curves that have it.

    Only steps that all of those have: a run that was stopped and went on has written some of its own, and a mean
    over changing sets of runs would jump. low and high are least and largest, or the 95 % t interval; None for one
    run. epoch is None in lines of training.
    """
    known = [curve[curve["kind"] == kind].drop_duplicates("step", keep="last") for curve in curves if column in curve]
    parts = [part.set_index("step") for part in known if part[column].notna().any()]
    values = pd.concat([part[column].dropna() for part in parts], axis=1, join="inner") if parts else pd.DataFrame()
    for step, row in values.sort_index().iterrows():
        over = bounds(mean_interval(row.tolist()))
        if band == "range" and len(row) > 1:
            over |= {"low": row.min(), "high": row.max()}
        epoch = parts[0]["epoch"].get(step) if "epoch" in parts[0] else None
        yield {"step": int(str(step)), "epoch": epoch, **over, "n": len(row)}


def _chosen(grid: GridStudy, names: list[str] | None) -> list[tuple[Arm, str | None]]:
    """Arms with completed runs, and their roles."""
    arms = [arm for arm in grid.arms if arm.n]
    if names is not None:
        return [(arm, None) for name in names for arm in arms if arm.name == name]
    full = {arm for design in grid.effects for arm, on in design.levels.items() if set(on) == set(design.factors)}
    best = max(sorted(arms, key=lambda arm: arm.name), key=lambda arm: arm.means["validation_accuracy"])
    roles: dict[str, list[str]] = {}
    for role, has in (
        ("base", lambda arm: arm.is_base), ("original", lambda arm: arm.name == "original"),
        ("all on", lambda arm: arm.name in full), ("best", lambda arm: arm is best),
    ):  # fmt: skip
        for arm in filter(has, arms):
            roles.setdefault(label(grid, arm), []).append(role)
    by_label = {label(grid, arm): arm for arm in arms}
    return [(by_label[name], ", ".join(mine)) for name, mine in roles.items()]


def plot_bands(
    axis: Axes, rows: pd.DataFrame, by: str, looks: Mapping[Any, dict[str, Any]], x: str = "step"
) -> None:
    """A line with its band for each value of ``by``, over the column ``x``; about eight markers on a line."""
    for name, line in rows.groupby(by, sort=False):
        look = looks[name]
        axis.plot(line[x], line["mean"], markevery=max(1, len(line) // 8), zorder=3, **look)
        axis.fill_between(line[x], line["low"], line["high"], color=look["color"], alpha=0.15, lw=0)
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=x == "step"))
    axis.xaxis.set_major_formatter(EngFormatter())


def _short(row: pd.DataFrame) -> dict[str, str]:
    """Arm → what is written at the end of its line: its role, or its name where that is short, or a number."""
    pairs = row.drop_duplicates("arm")[["arm", "role"]].itertuples(index=False)
    return {
        arm: role if isinstance(role, str) else arm if len(arm) <= 16 else f"arm {number}"
        for number, (arm, role) in enumerate(pairs, 1)
    }


def seeds(rows: pd.DataFrame) -> str:
    """How many curves a mean is over, and how many runs have none."""
    curves, runs = int(rows["n"].max()), int(rows["runs"].iloc[0])
    missing = f", {runs - curves} without a curve" if runs > curves else ""
    return f"{curves}\u00a0{'seed' if curves == 1 else 'seeds'}{missing}"


def band_note(rows: pd.DataFrame) -> str:
    """What the bands are."""
    return f"band: {BANDS[rows['band'].iloc[0]]}" if rows["n"].max() > 1 else "one seed: no band"
