"""Pictures: one module per kind. Each is data (written as CSV beside it) and a drawing from that data alone."""

from __future__ import annotations

from typing import Any

from .pareto import PARETO
from .picture import Options, Picture

PICTURES: dict[str, Picture[Any]] = {
    "pareto": PARETO,
}

__all__ = ["PICTURES", "Options", "Picture"]
