"""``python -m reports.readme``: write the tables of committed evidence into README.md.

README.md marks a place with ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``; it is filled from
``reports/results/NAME/report/arms_NAME.csv``: fewer columns than the full table, which is linked. ``cost`` is filled
from ``reports/results/cost/figures/figures.json``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

from .cost_speed import compared, machine, read_speed
from .errors import ReportError

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path("reports") / "results"
COST = "cost"
COST_LINKS = {
    "seconds of every arm": "cost/figures.md",
    "growth with length": "cost/scaling.md",
    "claims and their verdicts": "paper/table6.md",
}
HEADER = ("arm", "test accuracy, %", "n", "difference, points", "parameters", "not embedding", "MFLOP", "ms, batch 1")


def filled(text: str, root: Path) -> str:
    """The README's text with every marked place filled from the evidence below ``root``.

    Raises ReportError where a marked place has no evidence.
    """

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- {name}:begin -->\n{section(root, name)}<!-- {name}:end -->"

    return re.sub(r"<!-- (\w+):begin -->\n.*?<!-- \1:end -->", fill, text, flags=re.DOTALL)


def section(root: Path, name: str) -> str:
    """Table, picture and links for one folder of evidence."""
    if name == COST:
        return _figures(root / RESULTS / COST)
    folder = RESULTS / name / "report"
    path = root / folder / f"arms_{name}.csv"
    if not path.exists():
        raise ReportError(f"README.md asks for {name}, but there is no {folder / path.name}")
    rows = [_row(row) for _, row in pd.read_csv(path).iterrows()]
    lines = [HEADER, ("---", *["---:"] * (len(HEADER) - 1)), *rows]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    full = folder / f"arms_{name}.md"
    links = f"[all columns, code revision, device and run keys]({full}), [runs]({folder.parent})"
    return f"\n{table}\n\n![accuracy against FLOPs]({folder / 'figure1.svg'})\n\n{links}\n\n"


def _figures(folder: Path) -> str:
    """The figures of speed, as the allocator comes and with freed memory kept."""
    usual, kept = (read_speed(folder / name) for name in ("figures", "figures_kept_memory"))
    links = ", ".join(f"[{words}]({RESULTS / file})" for words, file in COST_LINKS.items())
    return f"\n{compared(usual, kept)}\n\n{machine(usual)}\n\n{links}\n\n"


def _row(row: pd.Series) -> tuple[str, ...]:
    arm = row["kind"] == "arm"
    return (
        row["name"] if arm else f"*{row['name']}*",
        _percent(row, "accuracy", "accuracy_low", "accuracy_high"),
        f"{int(row['n']):,} {'seed' if arm else 'example'}{'' if row['n'] == 1 else 's'}",
        _percent(row, "difference", "difference_low", "difference_high", sign="+") if arm else "",
        _number(row["parameters_total"], "{:,.0f}"),
        _number(row["parameters_without_embedding"], "{:,.0f}"),
        _number(row["flops_forward"] / 1e6, "{:,.3g}"),
        _number(row["latency_b1_median_s"] * 1e3, "{:.3g}"),
    )


def _percent(row: pd.Series, mean: str, low: str, high: str, sign: str = "") -> str:
    if pd.isna(row[mean]):
        return "—" if not row.get("is_base") else "base"
    shown = f"{100 * row[mean]:{sign}.2f}"
    return shown if pd.isna(row[low]) else f"{shown} [{100 * row[low]:{sign}.2f}, {100 * row[high]:{sign}.2f}]"


def _number(value: float, form: str) -> str:
    return "" if pd.isna(value) else form.format(value)


def main() -> int:
    """Rewrite README.md; 0, or 1 where evidence is missing."""
    path = ROOT / "README.md"
    try:
        text = filled(path.read_text(encoding="utf-8"), ROOT)
    except ReportError as error:
        print(f"README.md not changed: {error}", file=sys.stderr)
        return 1
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
