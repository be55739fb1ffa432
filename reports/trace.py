"""``python -m reports.trace TABLE ROW COLUMN``: the runs, configurations, code and machines behind one number.

TABLE is a file of a report (``…/table2.md``, ``.tex``, ``.csv``, ``.html``), that path without its ending, or the name
of a table of a committed report. ROW and COLUMN count the table's body from 1, as that file shows it; a CSV has columns
of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ReportError
from .manifest import REPORTS, read_manifest
from .origin import origin
from .sources import NAME, root_of

SUFFIXES = (".md", ".tex", ".csv", ".html")


@dataclass(frozen=True)
class Traced:
    """An entry, and what each of its sources says of itself."""

    row: str
    column: str
    text: str
    sources: tuple[dict[str, Any], ...]

    @property
    def words(self) -> str:
        lines = [f"row: {self.row}", f"column: {self.column}", f"text: {self.text or '(empty)'}"]
        for source in self.sources:
            lines += ["", *(f"{key}: {value}" for key, value in source.items())]
        return "\n".join(lines if self.sources else [*lines, "sources: none, it is not made of measurements"])


def trace(table: Path, row: int, column: int) -> Traced:
    """Follow one entry of a table to its sources.

    Raises ReportError where there is no such table, row or column, or a source is gone.
    """
    path = _file(table)
    record = _record(path.parent)
    name = path.stem if path.suffix in SUFFIXES else path.name
    sheet = record["sheets"].get(name)
    if sheet is None:
        raise ReportError(f"{path}: no table of that report, which has {', '.join(sorted(record['sheets']))}")
    columns = _columns(sheet, path.suffix)
    _check(row, len(sheet["rows"]), "row", name)
    _check(column, len(columns), "column", name)
    index, head = columns[column - 1]
    entries = sheet["rows"][row - 1]
    text, number = entries[index]
    sources = [record["sources"][place] for place in record["sets"][number]]
    roots = {name: Path(os.path.normpath(path.parent / root)) for name, root in record["roots"].items()}
    found = tuple(origin(source, roots[root_of(source)]) for source in sources)
    return Traced(entries[0][0], head, text, found)


def _file(table: Path) -> Path:
    """The table's place: as given, or by its name among the committed reports."""
    if (table.parent / NAME).exists():
        return table
    if table.parent != Path("."):
        raise ReportError(f"{table.parent}: no {NAME} there, which a report of python -m reports.build has")
    name = table.stem if table.suffix in SUFFIXES else table.name
    outs = [committed.out for committed in read_manifest()]
    found = [out for out in outs if (out / NAME).exists() and name in _record(out)["sheets"]]
    if len(found) != 1:
        places = ", ".join(out.relative_to(REPORTS).as_posix() for out in found)
        raise ReportError(f"{name}: in {f'several reports: {places}' if found else 'no committed report'}; give a path")
    return found[0] / table


def _record(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ReportError(f"{folder / NAME}: cannot be read: make the report again with reports.build") from error


def _columns(sheet: dict[str, Any], suffix: str) -> list[tuple[int, str]]:
    """Index and head of every column that a file of this kind has."""
    columns = list(enumerate(sheet["columns"]))
    if suffix == ".csv":
        return [(index, name) for index, column in columns for name in column["csv"]]
    return [(index, column["head"]) for index, column in columns if column["printed"]]


def _check(given: int, most: int, what: str, name: str) -> None:
    if not 1 <= given <= most:
        raise ReportError(f"{name} has no {what} {given}: its body has {what}s 1 to {most}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0, or 1 where the entry cannot be traced."""
    parser = argparse.ArgumentParser(prog="python -m reports.trace", description="An entry of a table → its runs.")
    parser.add_argument("table", type=Path, help="file of a report, or a table's name in a committed report")
    parser.add_argument("row", type=int, help="row of the body, from 1")
    parser.add_argument("column", type=int, help="column, from 1")
    parser.add_argument("--json", action="store_true", help="for machines")
    options = parser.parse_args(arguments)
    try:
        found = trace(options.table, options.row, options.column)
    except ReportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    record = {"row": found.row, "column": found.column, "text": found.text, "sources": found.sources}
    print(json.dumps(record, ensure_ascii=False, indent=1) if options.json else found.words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
