"""Pictures and tables that the page shows: the same that ``reports.build`` writes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from ..evidence import Evidence
from ..pictures import accuracy_flops
from ..style import save
from ..table import build_tables


@dataclass(frozen=True)
class Picture:
    """A picture as SVG text; ``name`` is that of its file, without the ending."""

    name: str
    title: str
    svg: str


def pictures(evidence: Evidence) -> list[Picture]:
    """One of accuracy against FLOPs for each grid that has a finished run."""
    found: list[Picture] = []
    for grid in evidence.grids:
        tables = build_tables([grid], sorted(evidence.mix))
        if any(cell.result for cell in grid.cells):
            title = f"Test accuracy against FLOPs, grid {grid.name}"
            found.append(Picture(f"accuracy_flops_{len(found)}", title, _svg(accuracy_flops(tables))))
    return found


def _svg(figure: Figure) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.svg"
        save(figure, path)
        return path.read_text(encoding="utf-8")
