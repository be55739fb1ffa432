"""Kinds of tables: functions ``(study, *, options) -> list[Table]`` that show what a study says and compute nothing."""

from __future__ import annotations

from collections.abc import Callable

from ..kinds import Kinds
from ..render.table import Table

table: Kinds[Callable[..., list[Table]]] = Kinds("table", __name__, "swarmformer.tables")
"""``@table("effects")`` registers a kind; see ``reports.definition`` for the files that ask for one."""
