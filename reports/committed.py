"""Committed reports against what their runs give: every difference by file and line, or all written anew."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from . import cost, parquet, readme
from .errors import ReportError
from .manifest import read_manifest
from .report import DRAWN, Report, write_report

ROOT = Path(__file__).resolve().parents[1]
NOT_COMPARED = "Pictures were compared by the data that they are drawn from, as SVG and PNG differ with matplotlib."
SHOWN = 160
"""Characters of a line that a difference shows."""


def differences(root: Path = ROOT) -> list[str]:
    """What differs between the committed reports of a checkout and what their evidence gives.

    Tables and data of pictures byte for byte, results.parquet by content; files that are missing or that no report
    has; the tables of ``reports.cost`` and of the README. Raises ReportError where a report cannot be made at all.
    """
    found = list[str]()
    for committed in read_manifest(root / "reports"):
        found += _report(committed.make(), committed.out, committed.out.relative_to(root).as_posix())
    folder = root / "reports" / "results" / "cost"
    for name, text in cost.written(folder).items():
        found += _file(folder / name, text.encode(), f"reports/results/cost/{name}")
    return [*found, *_readme(root)]


def rewrite(root: Path = ROOT) -> Iterator[Path]:
    """Write all committed reports, remove files there that no report has, then what follows from them.

    Raises ReportError where one cannot be made; those before it are written then.
    """
    for committed in read_manifest(root / "reports"):
        report = committed.make()
        write_report(report, committed.out)
        for name in _present(committed.out) - report.names:
            (committed.out / name).unlink()
        yield committed.out
    folder = root / "reports" / "results" / "cost"
    for name, text in cost.written(folder).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
        yield folder / name
    path = root / "README.md"
    path.write_text(readme.filled(path.read_text(encoding="utf-8"), root), encoding="utf-8", newline="\n")
    yield path


def _readme(root: Path) -> Iterator[str]:
    path = root / "README.md"
    try:
        yield from _file(path, readme.filled(path.read_text(encoding="utf-8"), root).encode(), "README.md")
    except ReportError as error:  # a report that it shows is not there
        yield str(error)


def _report(report: Report, out: Path, where: str) -> Iterator[str]:
    present = _present(out)
    yield from (f"{where}/{name}: missing" for name in sorted(report.names - present))
    yield from (f"{where}/{name}: no report has this file" for name in sorted(present - report.names))
    for name in sorted(report.files.keys() & present):
        if name == parquet.NAME:
            yield from _table(out / name, report.files[name], f"{where}/{name}")
        else:
            yield from _file(out / name, report.files[name], f"{where}/{name}")
    yield from _empty(out, sorted(name for name in present if name.endswith(DRAWN)), where)


def _present(out: Path) -> set[str]:
    return {path.name for path in out.iterdir() if path.is_file()} if out.is_dir() else set()


def _table(path: Path, made: bytes, where: str) -> Iterator[str]:
    try:
        same = parquet.same_content(made, path)
    except (OSError, ValueError) as error:  # pyarrow's errors are of these
        yield f"{where}: not a table: {error}"
        return
    if not same:
        yield f"{where}: holds another table than the runs give"


def _empty(out: Path, names: list[str], where: str) -> Iterator[str]:
    yield from (f"{where}/{name}: empty" for name in names if not (out / name).stat().st_size)


def _file(path: Path, made: bytes, where: str) -> Iterator[str]:
    """The first line that differs."""
    if not path.exists():
        yield f"{where}: missing"
        return
    here, there = path.read_bytes(), made
    if here == there:
        return
    lines = zip_longest(here.split(b"\n"), there.split(b"\n"))
    number, (old, new) = next((number, pair) for number, pair in enumerate(lines, 1) if pair[0] != pair[1])
    yield f"{where}: line {number} is {_shown(old)}, made again {_shown(new)}"


def _shown(line: bytes | None) -> str:
    if line is None:
        return "not there"
    text = line.decode("utf-8", "replace")
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")
