"""Test accuracy against what an answer costs, or training: arms with intervals, baselines, oracles, Pareto front."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator
from pydantic import Field

from ..study.model import GridStudy, Study
from ..study.subjects import Arm
from ..words import plural
from .kind import Figure, bounds, figure, label
from .look import log_ticks, name_levels, wrapped

FAR = 2.0
"""How many times the range of what is drawn above it a baseline may lie below the lowest arm."""
MOST_NAMED = 40  # arms with a number; where there are more, only the base and the front have one
LOOKS: dict[str, dict[str, Any]] = {
    "base": {"marker": "D", "color": "black", "markersize": 6, "linestyle": ""},
    "arm": {"marker": "o", "color": "0.35", "markerfacecolor": "white", "markersize": 4, "linestyle": ""},
    "front": {"marker": ".", "color": "black", "linewidth": 1.0, "drawstyle": "steps-post"},
    "baseline": {"color": "0.45", "linestyle": (0, (5, 3)), "linewidth": 0.9},
    "oracle": {"color": "0.2", "linestyle": (0, (1, 2)), "linewidth": 1.1},
}
NOT_MEASURED = dict.fromkeys(("latency", "seconds"), "not timed") | dict.fromkeys(("flops", "training"), "not counted")
WORDS = {"base": "the base", "arm": "arm, with its number", "front": "Pareto front of the means"}


@figure("pareto")
class Pareto(Figure):
    """One row of data per arm, baseline and oracle.

    accuracy, low, high: mean over ``n`` seeds and its 95 % interval (baselines: one predictor, ``n`` examples), as
    fractions. cost: FLOPs of a forward pass of one example (multiply-adds × 2), or median seconds of one on a batch,
    at ``cost_length`` tokens; or FLOPs of all training of a run, or the seconds of all its steps, a mean over seeds.
    missing: why an arm has no point.
    """

    beside: ClassVar = "against"
    shares_y: ClassVar = True
    inches: ClassVar = 3.9

    against: list[Literal["flops", "latency", "training", "seconds"]] = Field(default=["flops"], min_length=1)
    """One panel beside the other; none of what was not measured of any arm."""
    batch: int = Field(default=1, gt=0)
    """Of the latency."""

    def read(self, study: Study) -> Iterator[dict[str, Any]]:
        for panel, grid in self.panels(study):
            for against in self.against:
                batch = self.batch if against == "latency" else 1
                arms = pd.DataFrame([_arm(grid, arm, against, batch) for arm in grid.arms])
                if arms["cost"].isna().all():
                    continue
                rows = [*arms.assign(on_front=on_front(arms)).to_dict("records"), *_references(grid)]
                yield from ({**panel, "against": against, "batch": batch, **row} for row in rows)

    def handles(self, row: pd.DataFrame) -> list[Line2D]:
        numbers, usual = _numbers(row), _usual(row)
        arms = row[(row["kind"] == "arm") & (row["against"] == row["against"].iloc[0])]
        named = [_handle(arm, numbers[arm.arm], usual) for arm in arms.itertuples() if arm.arm in numbers]
        return [*named, *(Line2D([], [], label=words, **LOOKS[look]) for look, words in WORDS.items())]

    def plot(self, axis: Axes, cell: pd.DataFrame, row: pd.DataFrame) -> None:
        fixed, numbers = cell[cell["kind"] != "arm"], _numbers(row)
        far = fixed["accuracy"] < _bottom(cell)
        fixed, below = fixed[~far], [f"{one.arm} ({100 * one.accuracy:.2f} %)" for one in fixed[far].itertuples()]
        for level in fixed.itertuples():
            axis.axhline(100 * level.accuracy, zorder=1, **LOOKS[level.kind])
        placed = cell[cell["cost"].notna()].sort_values(["cost", "accuracy"], kind="stable")
        _points(axis, placed, numbers)
        front = placed[placed["on_front"].astype(bool)]
        axis.plot(front["cost"], 100 * front["accuracy"], zorder=4, **LOOKS["front"])
        _scale(axis, placed["cost"].tolist())
        names = ", ".join(f"{numbers[arm]}\u00a0{arm}" for arm in front["arm"])
        notes = [("Front, cheapest first", names), ("Below the picture", ", ".join(below))]
        lines = [wrapped(f"{what}: {said}", 76 // row["against"].nunique()) for what, said in notes if said]
        axis.set_xlabel("\n".join([_what(cell), *lines]), loc="left")
        if cell["against"].iloc[0] == row["against"].iloc[0]:
            axis.set_ylabel(f"test accuracy, %\nmean of {plural(_usual(row), 'seed')}, 95 % interval")
        if cell["against"].iloc[0] == row["against"].iloc[-1]:
            name_levels(axis, dict(zip(fixed["arm"], 100 * fixed["accuracy"], strict=True)))


def _bottom(cell: pd.DataFrame) -> float:
    """Where a baseline is too far below all arms to be drawn: it would press them together."""
    arms = cell[cell["kind"] == "arm"]
    low = arms["low"].fillna(arms["accuracy"]).min()
    high = max(arms["high"].fillna(arms["accuracy"]).max(), cell["accuracy"].max())
    return float(low - FAR * (high - low)) if pd.notna(low) else 0.0


def _arm(grid: GridStudy, arm: Arm, against: str, batch: int) -> dict[str, Any]:
    cost, length = _cost(arm, against, batch)
    is_left_out = any(other.name == arm.name for other in grid.others)
    unfinished = "runs left out" if is_left_out else "no finished run"
    return {
        "kind": "arm", "arm": label(grid, arm), "is_base": arm.is_base, "n": arm.n,
        **bounds(arm.accuracy, ("accuracy", "low", "high")), "cost": cost if arm.n else None, "cost_length": length,
        "missing": unfinished if not arm.n else NOT_MEASURED[against] if cost is None else None,
    }  # fmt: skip


def _cost(arm: Arm, against: str, batch: int) -> tuple[float | None, int | None]:
    if against == "training":
        spent = arm.runs["training_flops"]
        return (float(spent.mean()) if spent.notna().all() and spent.min() > 0 else None), None
    if against == "flops":
        return (float(arm.size.flops), arm.size.length) if arm.size else (None, None)
    if against == "seconds":
        return _seconds(arm), arm.step.length if arm.step else None
    speed = arm.speeds.get(batch)
    return (speed.median_s, speed.length) if speed else (None, None)


def _seconds(arm: Arm) -> float | None:
    """Of all its steps, each as long as the one that was timed; None where they were computed in something else."""
    steps = arm.runs["steps_alike"]
    alike = steps.notna().all() and set(arm.runs["computed_in"]) == {"fp32"}
    return float(steps.mean()) * arm.step.median_s if alike and arm.step else None


def _references(grid: GridStudy) -> Iterator[dict[str, Any]]:
    for reference in grid.references:
        of_split = "" if reference.split == "test" else f" ({reference.split} split)"
        yield {
            "kind": reference.kind, "arm": reference.name + of_split, "is_base": False, "n": reference.accuracy.n,
            **bounds(reference.accuracy, ("accuracy", "low", "high")), "on_front": False,
        }  # fmt: skip


def on_front(arms: pd.DataFrame) -> pd.Series:
    """Which rows nothing beats: none costs at most as much and is as accurate or more, one of it strictly.

    Rows that agree in both are on the front together; one without a cost is not.
    """
    cost, accuracy = arms["cost"].astype(float), arms["accuracy"].astype(float)
    best = accuracy.groupby(cost).max()
    cheaper = best.cummax().shift(fill_value=-float("inf"))
    return (accuracy == cost.map(best)) & (accuracy > cost.map(cheaper))


def _numbers(row: pd.DataFrame) -> dict[str, int]:
    """Arm → its number, the same on all sides of a row."""
    arms = row[row["kind"] == "arm"]
    chosen = arms[arms["is_base"].astype(bool) | arms["on_front"].astype(bool)]
    names = dict.fromkeys((arms if arms["arm"].nunique() <= MOST_NAMED else chosen)["arm"])
    return {name: number for number, name in enumerate(names, 1)}


def _usual(row: pd.DataFrame) -> int:
    """The number of seeds that most arms have."""
    return int(row.loc[(row["kind"] == "arm") & (row["n"] > 0), "n"].mode().max())


def _handle(arm: Any, number: int, usual: int) -> Line2D:
    notes = ["base"] if arm.is_base else []
    notes += [plural(arm.n, "seed")] if arm.n not in (0, usual) else []
    notes += [arm.missing] if isinstance(arm.missing, str) else []
    text = f"{number}  {arm.arm} ({', '.join(notes)})" if notes else f"{number}  {arm.arm}"
    return Line2D([], [], label=text, linestyle="")


def _points(axis: Axes, placed: pd.DataFrame, numbers: Mapping[str, int]) -> None:
    """All of a look at once: a thousand marks are drawn as quickly as one, a thousand artists are not."""
    bounded, means = placed[placed["low"].notna()], 100 * placed["accuracy"]
    if len(bounded):
        below, above = bounded["accuracy"] - bounded["low"], bounded["high"] - bounded["accuracy"]
        bar: dict[str, Any] = {"ecolor": "0.6", "elinewidth": 0.8, "capsize": 2, "fmt": "none", "zorder": 2}
        axis.errorbar(bounded["cost"], 100 * bounded["accuracy"], yerr=[100 * below, 100 * above], **bar)
    bases = placed["is_base"].astype(bool)
    for look, chosen in (("arm", ~bases), ("base", bases)):
        axis.plot(placed.loc[chosen, "cost"], means[chosen], zorder=3, **LOOKS[look])
    for arm in placed[placed["arm"].isin(list(numbers))].itertuples():
        axis.text(arm.cost, 100 * arm.accuracy, str(numbers[arm.arm]), gid="point", zorder=5)  # type: ignore[arg-type]


def _what(cell: pd.DataFrame) -> str:
    words = {"flops": "FLOPs per example, forward", "training": "FLOPs of training, without tuning",
             "seconds": "seconds of training: steps × median of a step"}
    if cell["against"].iloc[0] in words:
        return words[cell["against"].iloc[0]]
    return f"seconds of a forward pass, batch {cell['batch'].iloc[0]}, median"


def _scale(axis: Axes, costs: list[float]) -> None:
    axis.margins(x=0.08, y=0.08)
    if min(costs) > 0 and max(costs) / min(costs) > 4:
        axis.set_xscale("log")
        log_ticks(axis.xaxis, costs)
    else:
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.xaxis.set_major_formatter(EngFormatter())
