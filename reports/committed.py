"""Committed reports (``reports.yaml``) against what their runs give: every difference, or all written anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from swarmformer.yaml import safe_load

from . import cost, figures, readme
from .definition import read_definitions
from .errors import ReportError
from .measured import RESULTS
from .origin import NAME as SOURCES
from .origin import sources_json
from .report import Report, make_report, write_report
from .study.build import study

NAME = "reports.yaml"
FOLDER = Path(__file__).resolve().parent
NOT_COMPARED = "Figures were compared by the data that they are drawn from, as SVG differs with matplotlib."
SHOWN = 160
"""Characters of a line that a difference shows."""


class Entry(BaseModel):
    """One report; paths are relative to the folder of reports.yaml."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    out: str
    runs: list[str] = Field(min_length=1)
    mix: list[Literal["data", "code", "device"]] = []
    tables: list[str] | None = Field(default=None, min_length=1)


def differences(compared: Counter[str]) -> Iterator[str]:
    """What differs between the committed reports of a checkout and what their evidence gives.

    Pages, sources and (by their checksums) the data of figures; files that are missing or that no report has; the
    tables of ``reports.cost``, and what ``reports.readme`` fills. ``compared`` counts reports, tables, figures and
    documents. Raises ReportError where a report cannot be made.
    """
    sources = {}
    for out, report in _reports():
        compared.update({"report": 1, "table": len(report.sources["tables"]), "figure": len(report.drawings)})
        sources[out] = report.sources
        present = _present(out)
        yield from (f"{_where(out / name)}: missing" for name in sorted(report.names - present))
        yield from (f"{_where(out / name)}: no report has this file" for name in sorted(present - report.names))
        for name in sorted(report.files.keys() & present):
            yield from _differs(out / name, report.files[name])
        drawn = sorted(name for name in present if name.endswith(figures.FORMATS))
        yield from (f"{_where(out / name)}: empty" for name in drawn if not (out / name).stat().st_size)
    for path, text in (*cost.written().items(), _together(sources)):
        yield from _differs(path, text.encode())
    compared["table"] += len(cost.tables())
    try:
        for path, text in readme.filled_files().items():
            compared["document"] += 1
            yield from _differs(path, text.encode())
    except ReportError as error:  # a report that it shows is not there
        yield str(error)


def rewrite() -> Iterator[Path]:
    """Write all committed reports, remove files there that no report has, then what follows from them.

    Raises ReportError where one cannot be made; those before it are written then.
    """
    sources = {}
    for out, report in _reports():
        sources[out] = report.sources
        write_report(report, out)
        for name in _present(out) - report.names:
            (out / name).unlink()
        yield out
    for following in (lambda: dict([_together(sources)]), cost.written, readme.filled_files):
        for path, text in following().items():
            path.write_text(text, encoding="utf-8", newline="\n")
            yield path


def _reports() -> Iterator[tuple[Path, Report]]:
    """The reports of reports.yaml, in its order, each with its folder.

    Raises ReportError where the list cannot be read, has keys that do not fit, or names a folder twice, and where a
    report cannot be made.
    """
    path = FOLDER / NAME
    if not path.exists():
        raise ReportError(f"{path}: there are no committed reports here; they lie in a checkout of the repository")
    try:
        raw = safe_load(path.read_text(encoding="utf-8"))
        entries = TypeAdapter(list[Entry]).validate_python(raw, strict=True)
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ReportError(f"{NAME}: not a list of reports: {error}") from error
    outs = [entry.out for entry in entries]
    if len(set(outs)) < len(outs):
        raise ReportError(f"{NAME}: two reports have the same folder: {', '.join(sorted(outs))}")
    for entry in entries:
        evidence = study([FOLDER / runs for runs in entry.runs], entry.mix)
        out = FOLDER / entry.out
        yield out, make_report(evidence, read_definitions(only=entry.tables), out).committed()


def _together(sources: Mapping[Path, Mapping[str, Any]]) -> tuple[Path, str]:
    """One sources.json for all reports, and where it lies."""
    home = FOLDER / RESULTS.name
    return home / SOURCES, sources_json({out.relative_to(home).as_posix(): of for out, of in sources.items()})


def _present(out: Path) -> set[str]:
    return {path.name for path in out.iterdir() if path.is_file()} if out.is_dir() else set()


def _where(path: Path) -> str:
    return path.relative_to(FOLDER.parent).as_posix()


def _differs(path: Path, made: bytes) -> Iterator[str]:
    """The first line that differs."""
    if not path.exists():
        yield f"{_where(path)}: missing"
    else:
        lines = enumerate(zip_longest(path.read_bytes().split(b"\n"), made.split(b"\n")), 1)
        first = next(((number, old, new) for number, (old, new) in lines if old != new), None)
        if first:
            yield f"{_where(path)}: line {first[0]} is {_shown(first[1])}, made again {_shown(first[2])}"


def _shown(line: bytes | None) -> str:
    if line is None:
        return "not there"
    text = line.decode("utf-8", "replace")
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")
