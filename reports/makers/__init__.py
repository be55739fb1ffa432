"""Tables as functions: what was read and a definition file → sheets (none where there is nothing to show)."""

from __future__ import annotations

from collections.abc import Callable

from ..definition import Definition
from ..evidence import Evidence
from ..sheet import Sheet
from .arms import arms
from .claims import claims
from .cost import cost
from .effects import effects
from .one_factor import one_factor
from .peers import peers
from .published import published

Maker = Callable[[Evidence, Definition], list[Sheet]]

MAKERS: dict[str, Maker] = {
    "arms": arms,
    "claims": claims,
    "cost": cost,
    "effects": effects,
    "one_factor": one_factor,
    "peers": peers,
    "published": published,
}
"""By the name that a definition file gives as ``table:``."""
