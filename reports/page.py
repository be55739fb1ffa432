"""Run folders → one folder to open in a browser, without a server: ``swarmformer page RUNS… --out DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from swarmformer.cli.command import command_parser, exit_status, words_of

from .build import add_mix
from .definition import for_any_runs, read_definitions
from .site.examples import MOST_TEXTS
from .site.folder import write_site
from .site.make import make_site
from .study.build import study


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: ``swarmformer page``."""
    return exit_status(lambda: _run(_parser().parse_args(words_of(arguments))))


def _run(options: argparse.Namespace) -> None:
    definitions = for_any_runs(read_definitions(*options.tables))
    files = make_site(study(options.runs, options.mix), definitions, dict(options.texts), options.most_texts)
    write_site(options.out, files)
    size = sum(len(content) for content in files.values())
    print(f"Written to {options.out}: {len(files)} files, {size / 1e6:.1f} MB. Open {options.out / 'index.html'}")


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("page", __doc__)
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUNS", help="grid folder, folder of cells, or cell")
    add("--out", required=True, type=Path, metavar="DIR", help="folder to write the page into")
    add_mix(parser)
    add("--tables", type=Path, action="append", default=[], metavar="DIR", help="folder with further definitions")
    add("--texts", type=_texts, action="append", default=[], metavar="TASK=FILE",
        help="JSON lines with name and text of a task's test examples, shown where arms disagree")  # fmt: skip
    add("--most-texts", type=_count, default=MOST_TEXTS, metavar="N", help="texts of a task that the page holds")
    return parser


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
