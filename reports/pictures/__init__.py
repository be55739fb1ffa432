"""Pictures: one module per kind. Each is data (written as CSV beside it) and a drawing from that data alone."""

from __future__ import annotations

from typing import Any

from .cost_length import COST_LENGTH
from .curves import CURVES
from .effects import EFFECTS
from .interactions import INTERACTIONS
from .pareto import PARETO
from .picture import Options, Picture
from .telemetry import TELEMETRY

PICTURES: dict[str, Picture[Any]] = {
    "pareto": PARETO,
    "effects": EFFECTS,
    "interactions": INTERACTIONS,
    "curves": CURVES,
    "cost_length": COST_LENGTH,
    "telemetry": TELEMETRY,
}

__all__ = ["PICTURES", "Options", "Picture"]
