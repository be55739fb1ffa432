"""Pictures and tables that the page shows: the same that ``reports.build`` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..definition import Definition
from ..evidence import Evidence
from ..report import drawings_of


@dataclass(frozen=True)
class Picture:
    """A picture as SVG text; ``name`` is that of its file, without the ending."""

    name: str
    title: str
    svg: str


def pictures(evidence: Evidence, definitions: Sequence[Definition]) -> list[Picture]:
    """All pictures of the definitions that have something to show."""
    found = []
    for drawing in drawings_of(evidence, definitions):
        files = drawing.draw()
        found.append(Picture(drawing.name, drawing.title, files[f"{drawing.name}.svg"].decode()))
    return found
