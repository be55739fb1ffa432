"""Figures: a kind is a file of this folder, data from the study and a drawing from that data alone.

A new kind is a new file with a subclass of ``Figure`` under ``@figure("name")``; nothing lists it.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from .kind import FORMATS, KINDS, Figure, Options, drawn, figure, kind

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["FORMATS", "KINDS", "Figure", "Options", "drawn", "figure", "kind"]
