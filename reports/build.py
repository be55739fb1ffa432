"""``python -m reports.build RUNS… --out DIR``: run folders → tables and pictures.

Writes ``status.md``, every table and picture that ``reports/tables/`` defines and RUNS have something to show for
(``NAME.md``, ``.tex``, ``.csv``, ``.html``; ``NAME.svg``, ``.png``, ``.csv``), ``sources.json`` (what every number is
made of; see ``reports.trace``) and ``results.parquet`` (the tidy table), and prints what the table of arms says. RUNS
are grid folders, folders that hold cells, or cells; they are only read. The same input gives the same bytes.

``--check`` makes all committed reports again (``reports/reports.yaml``) and fails on any difference; ``--all`` rewrites
them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .committed import NOT_COMPARED, differences, rewrite
from .definition import FOLDER, for_any_runs
from .errors import ReportError
from .evidence import STRATA, gather
from .report import make_report, write_report
from .words import plural


def build(runs: Sequence[Path], out: Path, mix: Sequence[str] = (), tables: Path = FOLDER) -> str:
    """Read ``runs``, write the report into ``out`` and return what a terminal is to show.

    Raises ReportError, before anything is written, where a path holds no runs, a figure is above physics, or a
    definition in ``tables`` does not fit.
    """
    report = make_report(gather(runs, mix), for_any_runs(tables), out)
    write_report(report, out)
    return report.shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0 for a report, 1 where none can be made or a committed one differs."""
    parser = _parser()
    options = parser.parse_args(arguments)
    committed = options.check or options.all
    if committed == bool(options.runs) or (options.runs and options.out is None):
        parser.error("give RUNS and --out DIR, or --check or --all alone")
    try:
        if committed:
            return _check() if options.check else _rewrite()
        print(build(options.runs, options.out, options.mix, options.tables))
    except ReportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Written to {options.out}")
    return 0


def _check() -> int:
    found = differences()
    for difference in found:
        print(difference, file=sys.stderr)
    said = f"{plural(len(found), 'difference')}." if found else "Committed reports are as made again."
    print(f"{said} {NOT_COMPARED}")
    return 1 if found else 0


def _rewrite() -> int:
    for path in rewrite():
        print(path)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports.build", description="Run folders → tables and pictures.")
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUNS", help="grid folder, folder of cells, or cell")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write the report into")
    parser.add_argument(
        "--mix",
        type=_mix,
        default=(),
        metavar="WHAT",
        help=f"average and pair cells that differ in these, comma-separated: {','.join(STRATA)}",
    )
    parser.add_argument("--tables", type=Path, default=FOLDER, metavar="DIR", help="folder of definitions")
    parser.add_argument("--check", action="store_true", help="make committed reports again; fail on a difference")
    parser.add_argument("--all", action="store_true", help="rewrite all committed reports and what follows from them")
    return parser


def _mix(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in names if name not in STRATA]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; choose from {', '.join(STRATA)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
