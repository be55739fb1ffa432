"""Cost against length: FLOPs, seconds and memory of variants on log axes, with the fitted exponents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field

from ..cost_rows import Fit, Growth, Point, read_growth
from ..evidence import Evidence
from .cost_length_drawing import draw_cost_length
from .picture import Options, Picture

FOLDER = Path(__file__).parents[1] / "results" / "cost"
COLUMNS = (
    "measured", "mode", "batch", "device", "precision", "quantity", "variant", "length", "value", "low", "high",
    "exponent", "exponent_low", "exponent_high",
)  # fmt: skip


class CostLengthOptions(Options):
    measured: list[Literal["scaling", "scaling_training"]] = ["scaling", "scaling_training"]
    """Folders of reports/results/cost: forward passes, training steps."""
    variants: list[str] | None = Field(default=None, min_length=1)
    """All where it is not given."""


def cost_length_data(evidence: Evidence, options: CostLengthOptions) -> pd.DataFrame:
    """One row per variant, quantity and length, of the measurements in ``reports/results/cost`` (not of the runs).

    FLOPs (multiply-adds × 2), median seconds with low and high at the 20th and 80th percentile, and bytes that memory
    grows by, of one call on ``batch`` texts. exponent: fitted over all lengths, with its 95 % interval. A length that
    was not reached has no row. Raises ReportError where a measurement cannot be read.
    """
    folders = [FOLDER / name for name in options.measured]
    rows = [
        {"measured": folder.name, **row}
        for folder in folders
        if folder.exists()
        for row in _rows(read_growth(folder), options.variants)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(growth: Growth, variants: list[str] | None) -> Iterator[dict[str, object]]:
    fits = {fit.variant: fit for fit in growth.growth}
    for point in growth.rows:
        if variants is None or point.variant in variants:
            yield from _quantities(point, fits.get(point.variant), growth.device)


def _quantities(point: Point, fit: Fit | None, device: str) -> Iterator[dict[str, object]]:
    values = {
        "flops": (point.flops, None, None),
        "seconds": (point.median_s, point.p20_s, point.p80_s),
        "memory": (point.growth_bytes, None, None),
    }
    for quantity, (value, low, high) in values.items():
        exponent = getattr(fit, quantity) if fit else None
        yield {
            "mode": point.mode, "batch": point.batch, "device": device, "precision": point.precision,
            "quantity": quantity, "variant": point.variant, "length": point.length,
            "value": value, "low": low, "high": high,
            "exponent": exponent.value if exponent else None,
            "exponent_low": exponent.low if exponent else None,
            "exponent_high": exponent.high if exponent else None,
        }  # fmt: skip


COST_LENGTH = Picture(CostLengthOptions, cost_length_data, draw_cost_length)
