"""``python -m reports.trace TABLE ROW COLUMN``: the runs, configurations, code and machines behind one number.

Without ROW and COLUMN the table is shown with its rows and columns counted.

TABLE is a file of a report (``…/table2.md``, ``.tex``, ``.csv``, ``.html``), that path without its ending, or the name
of a table of a committed report. ROW and COLUMN count the table's body from 1, as that file shows it; a CSV has columns
of its own.

``sources.json`` beside the tables holds: roots, first part of a source → folder or file, relative to its own folder;
sources, every one once; sets, numbers of sources that an entry has together; tables, name → title, columns (head,
whether printed, names in the CSV) and rows of [text, number of its set].
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmformer.cli.command import command_parser, exit_status, words_of
from swarmformer.records import UnreadableFileError, load_json

from .errors import ReportError
from .measured import RESULTS
from .origin import origin
from .render import FORMATS, Column, Entry, Row, Table, terminal, utf8
from .study.model import Study

NAME, SCHEMA = "sources.json", 2
REPORTS = Path(__file__).parent
SUFFIXES = tuple(f".{suffix}" for suffix in FORMATS)


def sources_json(tables: Sequence[Table], study: Study, home: Path) -> str:
    """The content of sources.json in the folder ``home``.

    Raises ReportError for a source that is neither of the runs that were read nor a file of ``reports``.
    """
    sets = list(dict.fromkeys(entry.sources for table in tables for row in table.rows for entry in row.entries))
    sources = list(dict.fromkeys(source for of_set in sets for source in of_set))
    number = {source: place for place, source in enumerate(sources)}
    set_number = {of_set: place for place, of_set in enumerate(sets)}
    record = {
        "schema": SCHEMA,
        "roots": _roots(sources, study, home),
        "sources": sources,
        "sets": [[number[source] for source in of_set] for of_set in sets],
        "tables": {table.name: _table(table, set_number) for table in tables},
    }
    return _lines(record, depth=4) + "\n"


def _table(table: Table, number: dict[tuple[str, ...], int]) -> dict[str, Any]:
    columns = [
        {"head": column.head, "printed": index in table.printed,
         "csv": [name for name, (of, _) in table.csv_columns.items() if of == index]}
        for index, column in enumerate(table.columns)
    ]  # fmt: skip
    rows = [[[entry.text, number[entry.sources]] for entry in row.entries] for row in table.rows]
    return {"title": table.title, "columns": columns, "rows": rows}


def _roots(sources: Iterable[str], study: Study, home: Path) -> dict[str, str]:
    names = Counter(name for name, _ in {(grid.name, grid.folder) for grid in study.grids})
    folders = {grid.name: grid.folder for grid in study.grids if names[grid.name] == 1}
    folders |= {grid.folder.name: grid.folder for grid in study.grids}
    roots = {}
    for first in sorted({root_of(source) for source in sources}):
        places = [folders.get(first), RESULTS / first, REPORTS / first]
        place = next((place for place in places if place is not None and place.exists()), None)
        if place is None:
            raise ReportError(f"{first}: a source that is neither a run folder that was read nor a file of reports")
        roots[first] = Path(os.path.relpath(place, home)).as_posix()
    return roots


def root_of(source: str) -> str:
    """``grid/cell`` → ``grid``; ``published.yaml#key`` → ``published.yaml``."""
    return source.partition("#")[0].partition("/")[0]


def _lines(value: Any, depth: int, indent: str = "") -> str:
    """JSON that is broken into lines down to ``depth``, so that every set and every row has a line of its own."""
    if not depth or not value or not isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    inner, ends = indent + " ", "[]" if isinstance(value, list) else "{}"
    named = [("", item) for item in value] if isinstance(value, list) else [
        (f"{json.dumps(key, ensure_ascii=False)}: ", item) for key, item in value.items()]  # fmt: skip
    body = ",\n".join(f"{inner}{key}{_lines(item, depth - 1, inner)}" for key, item in named)
    return f"{ends[0]}\n{body}\n{indent}{ends[1]}"


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
    path, record, found = _found(table)
    name, columns = _name(path), _columns(found, path.suffix)
    for given, most, what in ((row, len(found["rows"]), "row"), (column, len(columns), "column")):
        if not 1 <= given <= most:
            raise ReportError(f"{name} has no {what} {given}: its body has {what}s 1 to {most}")
    index, head = columns[column - 1]
    entries = found["rows"][row - 1]
    text, number = entries[index]
    sources = [record["sources"][place] for place in record["sets"][number]]
    roots = {name: Path(os.path.normpath(path.parent / root)) for name, root in record["roots"].items()}
    return Traced(entries[0][0], head, text, tuple(origin(source, roots[root_of(source)]) for source in sources))


def counted(table: Path, width: int) -> str:
    """A table for a terminal of ``width`` characters, rows and columns counted. Raises ReportError: see ``trace``."""
    path, _, found = _found(table)
    columns = _columns(found, path.suffix)
    heads = [Column(f"{head} ({number})") for number, (_, head) in enumerate(columns, 1)]
    rows = [Row((Entry(str(number)), *(Entry(row[index][0]) for index, _ in columns)))
            for number, row in enumerate(found["rows"], 1)]  # fmt: skip
    return terminal(Table("", found["title"], (Column("row"), *heads), tuple(rows)), width)


def _found(table: Path) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A table's file, and what sources.json beside it says of the report and of the table."""
    path = _file(table)
    record = _record(path.parent)
    found = record["tables"].get(_name(path))
    if found is None:
        raise ReportError(f"{path}: no table of that report, which has {', '.join(sorted(record['tables']))}")
    return path, record, found


def _name(path: Path) -> str:
    return path.stem if path.suffix in SUFFIXES else path.name


def _file(table: Path) -> Path:
    """The table's place: as given, or by its name among the committed reports."""
    if (table.parent / NAME).exists():
        return table
    if table.parent != Path("."):
        raise ReportError(f"{table.parent}: no {NAME} there, which a report of python -m reports.build has")
    name = _name(table)
    places = [path.parent for path in sorted(RESULTS.rglob(NAME)) if name in _record(path.parent)["tables"]]
    if len(places) != 1:
        listed = ", ".join(place.relative_to(REPORTS).as_posix() for place in places)
        where = f"several reports: {listed}" if places else "no committed report"
        raise ReportError(f"{name}: in {where}; give a path")
    return places[0] / table


def _record(folder: Path) -> dict[str, Any]:
    again = "make the report again with reports.build"
    try:
        record = load_json(folder / NAME)
    except UnreadableFileError as error:
        raise ReportError(f"{folder / NAME}: cannot be read: {again}") from error
    if record.get("schema") != SCHEMA:
        raise ReportError(f"{folder / NAME}: schema {record.get('schema')}, not {SCHEMA}: {again}")
    return record


def _columns(table: dict[str, Any], suffix: str) -> list[tuple[int, str]]:
    """Index and head of every column that a file of this kind has."""
    columns = list(enumerate(table["columns"]))
    if suffix == ".csv":
        return [(index, name) for index, column in columns for name in column["csv"]]
    return [(index, column["head"]) for index, column in columns if column["printed"]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0, or 1 where the entry cannot be traced."""
    return exit_status(lambda: _run(words_of(arguments)))


def _run(words: Sequence[str]) -> None:
    parser = command_parser("trace", __doc__)
    parser.add_argument("table", type=Path, help="file of a report, or a table's name in a committed report")
    parser.add_argument("row", type=int, nargs="?", help="row of the body, from 1")
    parser.add_argument("column", type=int, nargs="?", help="column, from 1")
    parser.add_argument("--json", action="store_true", help="for machines")
    options = parser.parse_args(words)
    if (options.row is None) != (options.column is None):
        parser.error("give both ROW and COLUMN, or neither")
    if options.row is None:
        text = counted(options.table, shutil.get_terminal_size((120, 24)).columns)
    else:
        found = trace(options.table, options.row, options.column)
        record = {"row": found.row, "column": found.column, "text": found.text, "sources": found.sources}
        text = json.dumps(record, ensure_ascii=False, indent=1) if options.json else found.words
    print(utf8(text).decode())


if __name__ == "__main__":
    sys.exit(main())
