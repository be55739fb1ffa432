"""Makers of tables: evidence and a definition → sheets, by the kind that a definition names."""

from __future__ import annotations

from collections.abc import Callable

from ..definition import Definition
from ..evidence import Evidence
from ..sheet import Sheet
from .arms import arms

Maker = Callable[[Evidence, Definition], list[Sheet]]
"""Gives no sheet where the evidence has nothing to show."""

MAKERS: dict[str, Maker] = {"arms": arms}
