"""``python -m reports.build RUNS… --out DIR``: run folders → tables and a picture.

Writes ``status.md``, ``table.md``, ``table.tex``, ``table.csv``, ``accuracy_flops.svg`` and ``.png``, and
prints what ``table.md`` says. RUNS are grid folders, folders that hold cells, or cells; they are only read.
The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .csvfile import tables_csv
from .errors import ReportError
from .evidence import STRATA, gather
from .latex import tables_latex
from .markdown import status_markdown, tables_markdown
from .pictures import PICTURES
from .style import save
from .table import build_tables


def build(runs: Sequence[Path], out: Path, mix: Sequence[str] = ()) -> str:
    """Read ``runs``, write the report into ``out`` and return its Markdown.

    Raises ReportError, before anything is written, where a path holds no runs or a figure is above physics.
    """
    evidence = gather(runs, mix)
    grids = evidence.grids
    tables = build_tables(grids, mix)
    markdown = tables_markdown(grids, tables)
    texts = {
        "status.md": status_markdown(grids),
        "table.md": markdown,
        "table.tex": tables_latex(grids, tables),
        "table.csv": tables_csv(tables),
    }
    pareto = PICTURES["pareto"].data(evidence, {})
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8", newline="\n")
    if not pareto.empty:
        figure = PICTURES["pareto"].draw(pareto, "Test accuracy against FLOPs")
        for suffix in ("svg", "png"):
            save(figure, out / f"accuracy_flops.{suffix}")
    return markdown


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0 for a report, 1 where none can be made."""
    options = _parser().parse_args(arguments)
    try:
        print(build(options.runs, options.out, options.mix))
    except ReportError as error:
        print(f"No report: {error}", file=sys.stderr)
        return 1
    print(f"Written to {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports.build", description="Run folders → tables and a picture.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUNS", help="grid folder, folder of cells, or cell")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write the report into")
    parser.add_argument(
        "--mix",
        type=_mix,
        default=(),
        metavar="WHAT",
        help=f"average and pair cells that differ in these, comma-separated: {','.join(STRATA)}",
    )
    return parser


def _mix(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in names if name not in STRATA]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; choose from {', '.join(STRATA)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
