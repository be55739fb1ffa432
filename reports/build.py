"""``swarmformer report RUNS… --out DIR``: run folders → tables and figures.

Writes ``status.md``, every table and figure that ``reports/definitions/`` defines and RUNS have something to show for
(tables on Markdown pages, ``runs.md`` first, and each as ``NAME.tex``, ``.csv``, ``.html``; figures as ``NAME.svg``,
``.png``, ``.csv``), ``sources.json`` (what every number is
made of; see ``swarmformer trace``) and ``results.parquet`` (the tidy table), and prints what the table of arms says.
RUNS are grid folders, folders that hold cells, or cells; they are only read. The same input gives the same bytes.

``--check`` makes all committed reports again (``reports/reports.yaml``) and fails on any difference; ``--all`` rewrites
them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from swarmformer.cli.command import command_parser, exit_status, words_of

from .committed import NOT_COMPARED, differences, rewrite
from .definition import for_any_runs, read_definitions
from .render import utf8
from .report import Report, make_report, write_report
from .study.build import study
from .study.runs import STRATA
from .words import plural


def build(runs: Sequence[Path], out: Path, mix: Sequence[str] = (), tables: Sequence[Path] = ()) -> Report:
    """Read ``runs`` and write the report into ``out``.

    tables: folders with further definitions. Raises ReportError, before anything is written, where a path holds no
    runs, a figure is above physics, or a definition does not fit.
    """
    report = make_report(study(runs, mix), for_any_runs(read_definitions(*tables)), out)
    write_report(report, out)
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0 for a report, 1 where none can be made or a committed one differs."""
    return exit_status(lambda: _run(words_of(arguments)))


def _run(words: Sequence[str]) -> int:
    parser = _parser()
    options = parser.parse_args(words)
    if (options.check or options.all) == bool(options.runs) or (options.runs and options.out is None):
        parser.error("give RUNS and --out DIR, or --check or --all alone")
    if options.check:
        return _check()
    if options.all:
        for path in rewrite():
            print(path)
        return 0
    report = build(options.runs, options.out, options.mix, options.tables)
    print(utf8(report.shown(shutil.get_terminal_size((120, 24)).columns)).decode())
    print(f"Written to {options.out}")
    return 0


def _check() -> int:
    compared = Counter[str]()
    different = list(differences(compared))
    for difference in different:
        print(difference, file=sys.stderr)
    made = ", ".join(plural(compared[what], what) for what in ("report", "table", "figure"))
    verdict = plural(len(different), "difference") if different else "all as committed"
    print(f"Made again: {made}, and what they fill in {plural(compared['document'], 'document')}: {verdict}. "
          f"{NOT_COMPARED}")  # fmt: skip
    return 1 if different else 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("report", __doc__)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUNS", help="grid folder, folder of cells, or cell")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write the report into")
    add_mix(parser)
    parser.add_argument(
        "--tables", action="append", default=[], type=Path, metavar="DIR", help="folder of further definitions"
    )
    parser.add_argument("--check", action="store_true", help="make committed reports again; fail on a difference")
    parser.add_argument("--all", action="store_true", help="rewrite all committed reports and what follows from them")
    return parser


def add_mix(parser: argparse.ArgumentParser) -> None:
    """``--mix``, as every command has it that reads runs."""
    known = ",".join(STRATA)
    said = f"let cells stand together that differ in these, comma-separated: {known}; a seed stays of one device"
    parser.add_argument("--mix", type=_mix, default=(), metavar="WHAT", help=said)


def _mix(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in names if name not in STRATA]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; choose from {', '.join(STRATA)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
