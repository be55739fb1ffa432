"""``sources.json`` of a report: what every entry of its sheets is made of, and where that lies.

roots: first part of a source → folder or file, relative to the folder of sources.json;
sources: every source once; sets: numbers of sources that an entry has together;
sheets: name → title, columns (head, whether printed, names in the CSV) and rows of [text, number of its set].
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .errors import ReportError
from .evidence import Evidence
from .layout import csv_columns, head, printed
from .schema import SCHEMA
from .sheet import Sheet

NAME = "sources.json"
REPORTS = Path(__file__).parent
RESULTS = REPORTS / "results"


def sources_json(sheets: Sequence[Sheet], evidence: Evidence, home: Path) -> str:
    """The content of sources.json in the folder ``home``.

    Raises ReportError for a source that is neither of the runs that were read nor a file of ``reports``.
    """
    sets = list(dict.fromkeys(entry.sources for sheet in sheets for row in sheet.rows for entry in row))
    sources = list(dict.fromkeys(source for of_set in sets for source in of_set))
    number = {source: place for place, source in enumerate(sources)}
    set_number = {of_set: place for place, of_set in enumerate(sets)}
    record = {
        "schema": SCHEMA,
        "roots": _roots(sources, evidence, home),
        "sources": sources,
        "sets": [[number[source] for source in of_set] for of_set in sets],
        "sheets": {sheet.name: _sheet(sheet, set_number) for sheet in sheets},
    }
    return _lines(record, depth=4) + "\n"


def _sheet(sheet: Sheet, number: dict[tuple[str, ...], int]) -> dict[str, Any]:
    shown, names = set(printed(sheet)), csv_columns(sheet)
    columns = [
        {
            "head": head(column), "printed": index in shown,
            "csv": [each.name for each in names if each.column == index],
        }
        for index, column in enumerate(sheet.columns)
    ]  # fmt: skip
    rows = [[[entry.text, number[entry.sources]] for entry in row] for row in sheet.rows]
    return {"title": sheet.title, "columns": columns, "rows": rows}


def _roots(sources: Iterable[str], evidence: Evidence, home: Path) -> dict[str, str]:
    names = Counter(grid.name for grid in evidence.grids)
    folders = {grid.name: grid.folder for grid in evidence.grids if names[grid.name] == 1}
    folders |= {grid.folder.name: grid.folder for grid in evidence.grids}
    found = {}
    for first in sorted({root_of(source) for source in sources}):
        places = [folders.get(first), RESULTS / first, REPORTS / first]
        place = next((place for place in places if place is not None and place.exists()), None)
        if place is None:
            raise ReportError(f"{first}: a source that is neither a run folder that was read nor a file of reports")
        found[first] = Path(os.path.relpath(place, home)).as_posix()
    return found


def root_of(source: str) -> str:
    """``grid/cell`` → ``grid``; ``published.yaml#key`` → ``published.yaml``."""
    return source.partition("#")[0].partition("/")[0]


def _lines(value: Any, depth: int, indent: str = "") -> str:
    """JSON that is broken into lines down to ``depth``, so that every set and every row has a line of its own."""
    if not depth or not value or not isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    inner = indent + " "
    if isinstance(value, list):
        parts, ends = [_lines(item, depth - 1, inner) for item in value], "[]"
    else:
        keys = [json.dumps(key, ensure_ascii=False) for key in value]
        parts = [f"{key}: {_lines(value[name], depth - 1, inner)}" for key, name in zip(keys, value, strict=True)]
        ends = "{}"
    body = ",\n".join(inner + part for part in parts)
    return f"{ends[0]}\n{body}\n{indent}{ends[1]}"
