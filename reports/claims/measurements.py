"""Files of measurements that claims are decided by: read once, each a set of tables of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmformer.records import UnreadableFileError, load_json

from ..errors import ReportError

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """``name`` of a table, its rows, and the file that they are of, as a source."""

    name: str
    rows: tuple[Row, ...]
    source: str

    def where(self, wanted: Mapping[str, Any]) -> tuple[Row, ...]:
        """Rows with these values; a list of values takes any of them. Raises ReportError for an unknown field."""
        return tuple(row for row in self.rows if all(self._is(row, key, value) for key, value in wanted.items()))

    def _is(self, row: Row, key: str, value: Any) -> bool:
        if key not in row:
            raise ReportError(f"{self.source}: a row of {self.name} has no {key}; it has {', '.join(row)}")
        return row[key] in (value if isinstance(value, list | tuple) else (value,))


@dataclass(frozen=True)
class Measurements:
    """name → a file's content; ``sources``: name → its path below the folder of results."""

    content: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def table(self, name: str) -> Table | None:
        """``properties.order``: the table ``order`` of the file named ``properties``; None where that was not measured.

        Raises ReportError where the file is there and has no such table of rows.
        """
        file, _, part = name.partition(".")
        if file not in self.content:
            return None
        rows = self.content[file].get(part)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ReportError(f"{self.sources[file]} has no table {part}: measure it again")
        return Table(part, tuple(rows), self.sources[file])

    def missing(self, name: str) -> str:
        """Why there is no table: for a reader of the report."""
        file = name.partition(".")[0]
        return f"{self.sources.get(file, file)} is not there: not measured"


def read_measurements(results: Path, files: Mapping[str, str]) -> Measurements:
    """Name → path below ``results``; those that do not exist are left out.

    Raises ReportError where a file is not a JSON object.
    """
    try:
        content = {name: load_json(results / path) for name, path in files.items() if (results / path).exists()}
    except UnreadableFileError as error:
        raise ReportError(f"{error}; measure it again") from error
    return Measurements(content, files)
