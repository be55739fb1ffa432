"""The files of a grid's own that numbers come from."""

from __future__ import annotations

import json
from typing import Any

from ..read import Grid

NAMES = ("plan.json", "registered.json", "floors.json", "costs.json")


def file_records(grid: Grid) -> list[tuple[str, Any]]:
    """``folder/name`` and content of every one that could be read; the others are among the grid's cells."""
    read = (grid.plan, grid.registration, grid.floors, grid.costs)
    there = [name for name, content in zip(NAMES, read, strict=True) if content is not None]
    return [(f"{grid.folder.name}/{name}", json.loads((grid.folder / name).read_text("utf-8"))) for name in there]
