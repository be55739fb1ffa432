"""``python -m reports.page RUNS… --out DIR``: run folders → one folder to open in a browser, without a server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..definition import for_any_runs, read_definitions
from ..errors import ReportError
from ..study.alike import STRATA
from ..study.build import study
from .folder import write_site
from .make import make_site
from .texts import MOST_TEXTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0 for a page, 1 where none can be made."""
    options = _parser().parse_args(arguments)
    try:
        definitions = for_any_runs(read_definitions(*options.tables))
        files = make_site(study(options.runs, options.mix), definitions, dict(options.texts), options.most_texts)
        write_site(options.out, files)
    except ReportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = sum(len(content) for content in files.values())
    print(f"Written to {options.out}: {len(files)} files, {size / 1e6:.1f} MB. Open {options.out / 'index.html'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports.page", description="Run folders → a page.")
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUNS", help="grid folder, folder of cells, or cell")
    add("--out", required=True, type=Path, metavar="DIR", help="folder to write the page into")
    names = ",".join(STRATA)
    add("--mix", type=_mix, default=(), metavar="WHAT",
        help=f"average and pair cells that differ in these, comma-separated: {names}")  # fmt: skip
    add("--tables", type=Path, action="append", default=[], metavar="DIR", help="folder with further definitions")
    add("--texts", type=_texts, action="append", default=[], metavar="TASK=FILE",
        help="JSON lines with name and text of a task's test examples, shown where arms disagree")  # fmt: skip
    add("--most-texts", type=_count, default=MOST_TEXTS, metavar="N", help="texts of a task that the page holds")
    return parser


def _mix(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in names if name not in STRATA]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; choose from {', '.join(STRATA)}")
    return names


def _texts(text: str) -> tuple[str, Path]:
    task, equals, path = text.partition("=")
    if not task or not equals or not path:
        raise argparse.ArgumentTypeError(f"{text!r}: wanted TASK=FILE, such as imdb=texts.jsonl")
    return task, Path(path)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: wanted a whole number")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
