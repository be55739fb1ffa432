"""``python -m reports.cost``: the tables of ``reports/results/cost``, from the measurements that lie there.

figures/ (``experiments.benchmark full``), scaling/ and scaling_training/ (``experiments.scaling``) → figures.md,
speed.md (the same ratios with freed memory kept beside them) and scaling.md. What follows from them for the published
claims: ``reports.claims``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .errors import ReportError
from .measured import (
    RESULTS,
    Bounded,
    Figure,
    Fit,
    Growth,
    Point,
    Speed,
    TimedArm,
    read_growth,
    read_speed,
    revision_of,
)
from .render import FORMATS, Column, Entry, Row, Table
from .words import ratio

FOLDER = RESULTS / "cost"
MODES = {"scaling": "A forward pass", "scaling_training": "A training step"}
USUAL, KEPT = "figures", "figures_kept_memory"


def written(folder: Path) -> dict[str, str]:
    """File name → Markdown, from the measurements below ``folder``.

    Raises ReportError where there is none, or one cannot be read.
    """
    growths = [(words, read_growth(folder / mode)) for mode, words in MODES.items() if (folder / mode).exists()]
    speeds = {path.parent.name: read_speed(path.parent) for path in sorted(folder.glob("*/figures.json"))}
    if not (folder / "scaling").exists() or USUAL not in speeds:
        raise ReportError(f"{folder}: needs a scaling/ and a figures/ with figures.json")
    made = {
        "figures.md": [made for name, speed in speeds.items()
                       for made in (_figures(name, speed, revision_of(folder / name)), _arms(name, speed))],
        "speed.md": [_compared(speeds[USUAL], speeds.get(KEPT))],
        "scaling.md": [made for words, growth in growths
                       for made in (_points(words, growth), _exponents(words, growth))],
    }  # fmt: skip
    return {name: "\n".join(map(FORMATS["md"], tables)).rstrip("\n") + "\n" for name, tables in made.items()}


def _table(title: str, head: str, rows: Sequence[Sequence[str]], *notes: str, code: bool = False) -> Table:
    names = head.split("; ")
    columns = (Column(names[0], is_code=code), *map(Column, names[1:]))
    return Table("", title, columns, tuple(Row(tuple(map(Entry, row))) for row in rows), notes=notes)


def _figures(name: str, speed: Speed, revision: str) -> Table:
    head = "figure; ours / against; ratio; p20 to p80; n; at least; aim; reached"
    return _table(
        f"{name}: ratios", head, [_figure(row) for row in speed.figures], f"{speed.machine}; code {revision}."
    )


def _figure(row: Figure) -> tuple[str, ...]:
    spread = "" if row.ratio_p20 is None else f"{row.ratio_p20:.2f} to {row.ratio_p80:.2f}"
    return (
        row.figure, f"{row.ours} / {row.reference}", f"{row.ratio:.2f}", spread, str(row.rounds),
        _goal(row, row.least), _goal(row, row.aim), "yes" if row.reached else "no",
    )  # fmt: skip


def _goal(row: Figure, value: float) -> str:
    return f"{'≤ ' if row.growth else ''}{value:g}"


def _arms(name: str, speed: Speed) -> Table:
    gaps = [f"Missing: {gap.group}, {gap.arm}: {gap.reason}." for gap in speed.missing]
    head = "arm; texts a call; median, s; p20 to p80; n; of the limit"
    return _table(f"{name}: seconds", head, [_arm(row) for row in speed.arms], *gaps)


def _arm(row: TimedArm) -> tuple[str, ...]:
    share = "" if row.share_of_limit is None else f"{row.share_of_limit:.0%}"
    spread = f"{row.p20_s:.4g} to {row.p80_s:.4g}"
    return f"{row.group}: {row.arm}", str(row.texts), f"{row.median_s:.4g}", spread, str(row.repeats), share


def _compared(usual: Speed, kept: Speed | None) -> Table:
    """Ratios of two measurements side by side: the allocator as it comes, and with freed memory kept by all arms."""
    others = {row.figure: row for row in kept.figures} if kept else {}
    rows = [
        (row.figure, _goal(row, row.least), _goal(row, row.aim), _spread(row), _spread(others.get(row.figure)))
        for row in usual.figures
    ]
    return _table(
        "Speed", "figure; at least; aim; ratio (p20 to p80); with freed memory kept", rows, f"{usual.machine}."
    )


def _spread(row: Figure | None) -> str:
    if row is None:
        return ""
    missed = "" if row.reached else ", missed"
    return f"{row.ratio:.2f}{'' if row.ratio_p20 is None else f' ({row.ratio_p20:.2f} to {row.ratio_p80:.2f})'}{missed}"


def _points(words: str, growth: Growth) -> Table:
    first = growth.rows[0]
    where = f"{words} of {first.batch} text{'s' if first.batch > 1 else ''}, {growth.device}, {first.precision}."
    gaps = [f"Missing: {gap.variant} at {gap.length:,} tokens: {gap.reason}." for gap in growth.missing]
    head = "variant; tokens; MFLOP; median, ms; p20 to p80; of base; n; MiB; of least time"
    return _table(words, head, [_point(row) for row in growth.rows], where, *gaps, code=True)


def _point(row: Point) -> tuple[str, ...]:
    return (
        row.variant, f"{row.length:,}", f"{row.flops / 1e6:,.1f}", f"{1e3 * row.median_s:,.4g}",
        f"{1e3 * row.p20_s:,.4g} to {1e3 * row.p80_s:,.4g}", "" if row.of_first is None else _bounded(row.of_first),
        str(row.repeats), f"{row.growth_bytes / 2**20:,.0f}", f"{row.share_of_least:.0%}",
    )  # fmt: skip


def _exponents(words: str, growth: Growth) -> Table:
    note = "Fitted over all lengths (95 % interval: how far from one power law)."
    rows = [_fit(row) for row in growth.growth]
    return _table(f"{words}: exponents of the length", "variant; FLOPs; seconds; memory", rows, note, code=True)


def _fit(row: Fit) -> tuple[str, ...]:
    return row.variant, *map(_bounded, (row.flops, row.seconds, row.memory))


def _bounded(found: Bounded) -> str:
    return ratio(found.value, found.low, found.high)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables; 0, or 1 where they cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m reports.cost", description="Measurements of cost → tables.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder = parser.parse_args(arguments).folder
    try:
        texts = written(folder)
    except ReportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
        print(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
