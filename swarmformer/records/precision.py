"""``precision.json``: what ``train.precision: auto`` is in a grid, on each device that it runs on."""

from __future__ import annotations

from typing import Literal

from .base import Document, Record, RunKey


class ChosenPrecision(Record):
    """``run_key``: of the run that was measured, the first that started there; ``rates``: what it reached in both."""

    precision: Literal["fp32", "bf16"]
    run_key: RunKey
    rates: str


class Precisions(Document):
    """``precision.json``: one choice for all arms, by the device's name, so that no two of them differ in it."""

    chosen: dict[str, ChosenPrecision]
