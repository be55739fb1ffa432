"""Kinds of tables: functions ``(study, *, options) -> list[Table]`` that show what a study says and compute nothing."""

from __future__ import annotations

from collections.abc import Callable

from ..kinds import Kinds
from ..render.table import Table
from ..study.model import Study

KINDS = Kinds[Callable[[Study], list[Table]]]("kind of table", __name__, "swarmformer.tables")
table = KINDS.register
