"""``arms``: every arm of every grid and task with accuracy, difference to the base, size and cost; floors below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..columns import columns
from ..definition import Definition
from ..errors import ReportError
from ..evidence import Evidence
from ..notes import notes
from ..rows import Table
from ..sheet import Sheet
from ..table import build_tables, unique_titles


def arms(evidence: Evidence, definition: Definition) -> list[Sheet]:
    """One sheet per grid and task, in their order: ``NAME_grid``, with the task where a grid has several.

    Raises ReportError where options are given, as there are none.
    """
    if definition.options:
        raise ReportError(f"{definition.name}.yaml: a table of kind arms has no options")
    tables = build_tables(evidence.grids, evidence.mix)
    tasks = Counter(table.folder for table in tables)
    return [
        _sheet(table, _name(definition, table, tasks[table.folder] > 1), f"{definition.title}: {title}")
        for table, title in zip(tables, unique_titles(tables), strict=True)
    ]


def _name(definition: Definition, table: Table, has_tasks: bool) -> str:
    return "_".join([definition.name, table.grid, *([table.task] if has_tasks else [])])


def _sheet(table: Table, name: str, title: str) -> Sheet:
    found = columns(table)
    kinds: Sequence[str] = [row.kind for row in table.rows]
    rules = frozenset(number for number in range(1, len(kinds)) if kinds[number] != kinds[number - 1])
    return Sheet(
        name=name,
        title=title,
        columns=tuple(each.column for each in found),
        rows=tuple(tuple(each.entry(row) for each in found) for row in table.rows),
        rules=rules,
        warnings=table.warnings,
        notes=tuple(notes(table)),
    )
