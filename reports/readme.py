"""``python -m reports.readme``: write tables of committed reports into README.md and docs/*.md.

A text marks a place with ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``; it is filled with the table of that name
on a page below reports/results (``arms_demo``, ``table7``, ``speed``), and a link to its notes. Of a long table
``<!-- table1 only accuracy, F1:begin -->`` shows the rows that have one of these texts in a cell; ``*`` stands for any.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from swarmformer.cli.command import CommandParser, exit_status, words_of

from .errors import ReportError
from .render import anchor, table_lines

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path("reports") / "results"
PLACE = re.compile(r"<!-- (([\w+-]+)(?: only ([^:\n]+))?):begin -->\n.*?<!-- \1:end -->", flags=re.DOTALL)


def filled_files() -> dict[Path, str]:
    """README.md and every text in docs/ that marks places → its text with every place filled.

    Raises ReportError where a place asks for a table that no committed report has.
    """
    paths = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if path.exists()]
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    pages = {page: page.read_text(encoding="utf-8") for page in sorted((ROOT / RESULTS).rglob("*.md"))}
    fill = partial(_fill, pages)
    return {path: PLACE.sub(partial(fill, path), text) for path, text in texts.items() if PLACE.search(text)}


def _fill(pages: Mapping[Path, str], path: Path, place: re.Match[str]) -> str:
    mark, name, only = place.groups()
    rows = [text.strip() for text in only.split(",")] if only else []
    return f"<!-- {mark}:begin -->\n\n{_section(pages, name, rows, path)}\n\n<!-- {mark}:end -->"


def _section(pages: Mapping[Path, str], name: str, only: Sequence[str], path: Path) -> str:
    found = [page for page, text in pages.items() if anchor(name) in text]
    if len(found) != 1:
        listed = ", ".join(page.relative_to(ROOT).as_posix() for page in found)
        there = f"more than one: {listed}" if found else f"no table of that name below {RESULTS}"
        raise ReportError(f"{path.name} asks for {name}, but there is {there}")
    head, rule, *rows = table_lines(pages[found[0]], name)
    matching = {text: _matching(rows, text) for text in only}
    if absent := [text for text, those in matching.items() if not those]:
        raise ReportError(f"{path.name} asks for {absent[0]} of {name}, which has no such row")
    shown = [row for row in rows if any(row in those for those in matching.values())] if only else rows
    table = "\n".join((head, rule, *shown))
    return f"{table}\n\n[What its columns mean, and all figures]({os.path.relpath(found[0], path.parent)}#{name})"


def _matching(rows: Sequence[str], text: str) -> list[str]:
    """Rows of which a cell is this text, in which ``*`` stands for any."""
    return [row for row in rows if any(fnmatchcase(cell.strip(" `"), text) for cell in row.split("|"))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the texts; 0, or 1 where evidence is missing."""
    parser = CommandParser(
        prog="python -m reports.readme", description="Tables of committed reports → marked places of README and docs."
    )
    return exit_status(lambda: _write(parser.parse_args(words_of(arguments))))


def _write(_: argparse.Namespace) -> None:
    for path, text in filled_files().items():
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    sys.exit(main())
