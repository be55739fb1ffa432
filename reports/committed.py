"""Committed reports (``reports.yaml``) against what their runs give: every difference, or all written anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from . import cost, figures, readme
from .definition import read_definitions
from .errors import ReportError
from .report import RUNS, Report, make_report, same_runs, write_report
from .study.build import study

NAME = "reports.yaml"
ROOT = Path(__file__).resolve().parents[1]
NOT_COMPARED = "Figures were compared by the data that they are drawn from, as SVG and PNG differ with matplotlib."
SHOWN = 160
"""Characters of a line that a difference shows."""


class Entry(BaseModel):
    """One report; paths are relative to the folder of reports.yaml."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    out: str
    runs: list[str] = Field(min_length=1)
    mix: list[Literal["data", "code", "device"]] = []
    tables: list[str] | None = Field(default=None, min_length=1)


@dataclass(frozen=True)
class Committed:
    """A report of the list in the folder ``root``, which is not made yet."""

    entry: Entry
    root: Path

    @property
    def out(self) -> Path:
        return self.root / self.entry.out

    def make(self) -> Report:
        """Raises ReportError: see ``study`` and ``make_report``; or for a definition that is not there."""
        runs = [self.root / path for path in self.entry.runs]
        return make_report(study(runs, self.entry.mix), read_definitions(only=self.entry.tables), self.out)


def committed_reports(root: Path = ROOT) -> list[Committed]:
    """The reports of ``reports/reports.yaml``, in its order.

    Raises ReportError where it cannot be read, has keys that do not fit, or names a folder twice.
    """
    path = root / "reports" / NAME
    if not path.exists():
        raise ReportError(f"{path}: there are no committed reports here; they lie in a checkout of the repository")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = TypeAdapter(list[Entry]).validate_python(raw, strict=True)
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ReportError(f"{NAME}: not a list of reports: {error}") from error
    outs = [entry.out for entry in entries]
    if len(set(outs)) < len(outs):
        raise ReportError(f"{NAME}: two reports have the same folder: {', '.join(sorted(outs))}")
    return [Committed(entry, path.parent) for entry in entries]


def differences(root: Path = ROOT) -> list[str]:
    """What differs between the committed reports of a checkout and what their evidence gives.

    Tables and data of figures byte for byte, results.parquet by content; files that are missing or that no report has;
    the tables of ``reports.cost``, and what ``reports.readme`` fills. Raises ReportError where a report cannot be made.
    """
    found = list[str]()
    for committed in committed_reports(root):
        found += _report(committed.make(), committed.out, committed.out.relative_to(root).as_posix())
    for path, text in _costs(root).items():
        found += _file(path, text.encode(), path.relative_to(root).as_posix())
    return [*found, *_readme(root)]


def rewrite(root: Path = ROOT) -> Iterator[Path]:
    """Write all committed reports, remove files there that no report has, then what follows from them.

    Raises ReportError where one cannot be made; those before it are written then.
    """
    for committed in committed_reports(root):
        report = committed.make()
        write_report(report, committed.out)
        for name in _present(committed.out) - report.names:
            (committed.out / name).unlink()
        yield committed.out
    for following in (_costs, readme.filled_files):
        for path, text in following(root).items():
            path.write_text(text, encoding="utf-8", newline="\n")
            yield path


def _costs(root: Path) -> dict[Path, str]:
    folder = root / "reports" / "results" / "cost"
    return {folder / name: text for name, text in cost.written(folder).items()}


def _readme(root: Path) -> Iterator[str]:
    try:
        for path, text in readme.filled_files(root).items():
            yield from _file(path, text.encode(), path.relative_to(root).as_posix())
    except ReportError as error:  # a report that it shows is not there
        yield str(error)


def _report(report: Report, out: Path, where: str) -> Iterator[str]:
    present = _present(out)
    yield from (f"{where}/{name}: missing" for name in sorted(report.names - present))
    yield from (f"{where}/{name}: no report has this file" for name in sorted(present - report.names))
    for name in sorted(report.files.keys() & present):
        compare = _table if name == RUNS else _file
        yield from compare(out / name, report.files[name], f"{where}/{name}")
    drawn = sorted(name for name in present if name.endswith(figures.FORMATS))
    yield from (f"{where}/{name}: empty" for name in drawn if not (out / name).stat().st_size)


def _present(out: Path) -> set[str]:
    return {path.name for path in out.iterdir() if path.is_file()} if out.is_dir() else set()


def _table(path: Path, made: bytes, where: str) -> Iterator[str]:
    try:
        same = same_runs(made, path)
    except (OSError, ValueError) as error:  # pyarrow's errors are of these
        yield f"{where}: not a table: {error}"
        return
    if not same:
        yield f"{where}: holds another table than the runs give"


def _file(path: Path, made: bytes, where: str) -> Iterator[str]:
    """The first line that differs."""
    if not path.exists():
        yield f"{where}: missing"
        return
    here = path.read_bytes()
    if here == made:
        return
    lines = zip_longest(here.split(b"\n"), made.split(b"\n"))
    number, (old, new) = next((number, pair) for number, pair in enumerate(lines, 1) if pair[0] != pair[1])
    yield f"{where}: line {number} is {_shown(old)}, made again {_shown(new)}"


def _shown(line: bytes | None) -> str:
    if line is None:
        return "not there"
    text = line.decode("utf-8", "replace")
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")
