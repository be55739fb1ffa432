"""``python -m reports.page RUNS… --out DIR``: run folders → one folder to open in a browser, without a server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..definition import for_any_runs
from ..errors import ReportError
from ..evidence import STRATA, gather
from .folder import write_site
from .shown import pictures
from .site import MOST_TEXTS, make_site


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0 for a page, 1 where none can be made."""
    options = _parser().parse_args(arguments)
    try:
        evidence = gather(options.runs, options.mix)
        shown = pictures(evidence, for_any_runs())
        files = make_site(evidence, shown=shown, texts=dict(options.texts), most_texts=options.most_texts)
        write_site(options.out, files)
    except ReportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = sum(len(content) for content in files.values())
    print(f"Written to {options.out}: {len(files)} files, {size / 1e6:.1f} MB. Open {options.out / 'index.html'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports.page", description="Run folders → a page.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUNS", help="grid folder, folder of cells, or cell")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write the page into")
    parser.add_argument(
        "--mix",
        type=_mix,
        default=(),
        metavar="WHAT",
        help=f"average and pair cells that differ in these, comma-separated: {','.join(STRATA)}",
    )
    parser.add_argument(
        "--texts",
        type=_texts,
        action="append",
        default=[],
        metavar="TASK=FILE",
        help="JSON lines with name and text of a task's test examples, shown where arms disagree",
    )
    parser.add_argument(
        "--most-texts", type=_count, default=MOST_TEXTS, metavar="N", help="texts of a task that the page holds at most"
    )
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
