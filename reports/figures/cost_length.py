"""Cost against length: FLOPs, seconds and memory of variants on logarithmic axes, with the fitted exponents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator
from pydantic import Field

from swarmformer.records import ScalingCosts

from ..measured import RESULTS, read_scaling
from ..study.model import Study
from ..words import plural
from .kind import Figure, figure
from .look import line_styles, log_ticks

NAMES = {"flops": "FLOPs", "seconds": "seconds, median\n(bars: p20 to p80)", "memory": "memory, bytes"}
KINDS = {"forward": "A forward pass", "training": "A training step"}
EXPONENT = ("exponent", "exponent_low", "exponent_high")


@figure("cost_length")
class CostLength(Figure):
    """One row of data per variant, quantity and length, of the measurements in ``reports/results/cost`` (not of runs).

    FLOPs (multiply-adds × 2), median seconds with low and high at the 20th and 80th percentile, and bytes that memory
    grows by, of one call on ``batch`` texts. exponent: fitted over all lengths, with its 95 % interval. A length that
    was not reached has no row.
    """

    rows: ClassVar = ["measured"]
    beside: ClassVar = "quantity"
    key_columns: ClassVar = 1
    inches: ClassVar = 2.9

    measured: list[Literal["scaling", "scaling_training", "scaling_long"]] = ["scaling", "scaling_training"]
    """Folders of reports/results/cost: forward passes, training steps, forward passes in pieces."""
    variants: list[str] | None = Field(default=None, min_length=1)
    """All where it is not given."""

    def read(self, study: Study) -> Iterator[dict[str, Any]]:
        """Raises ReportError where a measurement cannot be read."""
        for folder in (RESULTS / "cost" / name for name in self.measured):
            for row in _rows(read_scaling(folder)) if folder.exists() else ():
                if self.variants is None or row["variant"] in self.variants:
                    yield {"measured": folder.name, **row}

    def heading(self, row: pd.DataFrame) -> str:
        mode, batch, device, precision = row[["mode", "batch", "device", "precision"]].iloc[0]
        return f"{KINDS[mode]} of {plural(batch, 'text')}, {device}, {precision}"

    def handles(self, row: pd.DataFrame) -> list[Line2D]:
        looks = line_styles(row["variant"])
        lines = [Line2D([], [], linestyle="", label="exponents of length (95 % interval)")]
        for variant, each in row.drop_duplicates(["variant", "quantity"]).groupby("variant", sort=False):
            fits = ", ".join(map(_fit, each.itertuples()))
            lines.append(Line2D([], [], label=f"{variant}: {fits}", **looks[str(variant)]))
        return lines

    def plot(self, axis: Axes, cell: pd.DataFrame, row: pd.DataFrame) -> None:
        looks = line_styles(row["variant"])
        axis.set(xscale="log", yscale="log", xlabel="tokens", ylabel=NAMES[cell["quantity"].iloc[0]])
        for variant, line in cell.sort_values("length").groupby("variant", sort=False):
            look = looks[str(variant)]
            axis.plot(line["length"], line["value"], zorder=3, **look)
            if line["low"].notna().any():
                bars = [line["value"] - line["low"], line["high"] - line["value"]]
                bar: dict[str, Any] = {"ecolor": look["color"], "elinewidth": 0.8, "capsize": 2, "fmt": "none"}
                axis.errorbar(line["length"], line["value"], yerr=bars, **bar)
        axis.xaxis.set_major_locator(FixedLocator(sorted(cell["length"].unique())))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.tick_params(axis="x", rotation=30)
        log_ticks(axis.yaxis, cell["value"].tolist())


def _rows(scaling: ScalingCosts) -> Iterator[dict[str, Any]]:
    fits = {fit.variant: fit for fit in scaling.growth}
    for point in scaling.rows:
        head = {"mode": point.mode, "batch": point.batch, "device": scaling.device, "precision": point.precision}
        values = {
            "flops": (point.flops, None, None),
            "seconds": (point.median_s, point.p20_s, point.p80_s),
            "memory": (point.growth_bytes, None, None),
        }
        for quantity, (value, low, high) in values.items():
            exponent = getattr(fits.get(point.variant), quantity, None)
            fit = zip(EXPONENT, (exponent.value, exponent.low, exponent.high) if exponent else (None,) * 3, strict=True)
            mark = {"variant": point.variant, "length": point.length, "value": value, "low": low, "high": high}
            yield {**head, "quantity": quantity, **mark, **dict(fit)}


def _fit(row: Any) -> str:
    name = "FLOPs" if row.quantity == "flops" else row.quantity
    if pd.isna(row.exponent):
        return f"{name} —"
    interval = "" if pd.isna(row.exponent_low) else f" [{row.exponent_low:.2f}, {row.exponent_high:.2f}]"
    return f"{name} {row.exponent:.2f}{interval}".replace("-", "−")
