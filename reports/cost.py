"""``python -m reports.cost``: the tables of ``reports/results/cost``, from the measurements that lie there.

figures/ (``experiments.benchmark full``), scaling/ and scaling_training/ (``experiments.scaling``) → figures.md and
scaling.md. What follows from them for the published claims: ``reports.claims``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from .cost_rows import Bounded, Growth, Point, read_growth
from .cost_speed import speed_markdown
from .errors import ReportError

FOLDER = Path(__file__).parent / "results" / "cost"
MODES = ("scaling", "scaling_training")


def written(folder: Path) -> dict[str, str]:
    """File name → Markdown, from the measurements below ``folder``.

    Raises ReportError where there is none, or one cannot be read.
    """
    growths = {mode: read_growth(folder / mode) for mode in MODES if (folder / mode).exists()}
    speeds = sorted(path.parent for path in folder.glob("*/figures.json"))
    if "scaling" not in growths or not speeds:
        raise ReportError(f"{folder}: needs a scaling/ and a folder with figures.json")
    return {
        "figures.md": "\n".join(speed_markdown(path) for path in speeds),
        "scaling.md": "\n".join(growth_markdown(mode, growth) for mode, growth in growths.items()),
    }


def growth_markdown(mode: str, growth: Growth) -> str:
    """Every variant at every length, then the fitted exponents."""
    first = growth.rows[0]
    kind = "A training step" if mode.endswith("training") else "A forward pass"
    where = f"{kind} of {first.batch} text{'s' if first.batch > 1 else ''}, {growth.device}, {first.precision}."
    rows = [_point(row) for row in growth.rows]
    fits = [(f"`{fit.variant}`", *map(_bounded, (fit.flops, fit.seconds, fit.memory))) for fit in growth.growth]
    gaps = [f"Missing: `{gap.variant}` at {gap.length:,} tokens: {gap.reason}." for gap in growth.missing]
    return "\n".join([
        f"## {kind}", "", where, "",
        *_table(("variant", "tokens", "MFLOP", "median, ms", "p20 to p80", "of base", "n", "MiB", "of floor"), rows),
        "", *gaps, *([""] if gaps else []),
        "Exponents fitted over all lengths (95 % interval: how far from one power law):", "",
        *_table(("variant", "FLOPs", "seconds", "memory"), fits), "",
    ])  # fmt: skip


def _point(row: Point) -> tuple[str, ...]:
    return (
        f"`{row.variant}`", f"{row.length:,}", f"{row.flops / 1e6:,.1f}", f"{1e3 * row.median_s:,.4g}",
        f"{1e3 * row.p20_s:,.4g} to {1e3 * row.p80_s:,.4g}", "" if row.of_first is None else _bounded(row.of_first),
        str(row.repeats), f"{row.growth_bytes / 2**20:,.0f}", f"{row.share_of_floor:.0%}",
    )  # fmt: skip


def _bounded(found: Bounded) -> str:
    if found.low is None or found.high is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---", *["---:"] * (len(head) - 1)), *rows)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables; 0, or 1 where they cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m reports.cost", description="Measurements of cost → tables.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder = parser.parse_args(arguments).folder
    try:
        texts = written(folder)
    except (ReportError, json.JSONDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
        print(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
