"""Figures: a kind is a file of this folder, data from the study and a drawing from that data alone.

A new kind is a new file with a subclass of ``Figure`` under ``@figure("name")``; nothing lists it.
"""

from .kind import FORMATS, KINDS, Figure, drawn, figure

__all__ = ["FORMATS", "KINDS", "Figure", "drawn", "figure"]
