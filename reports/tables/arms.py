"""``arms``: every arm of every grid and task with accuracy, difference to the base, size and cost; references below."""

from __future__ import annotations

from collections import Counter

from ..render.table import Table
from ..study.model import GridStudy, Study
from . import columns as c
from . import layout, table

COLUMNS = (
    c.identity, c.accuracy, c.count, c.difference, c.verdict, c.mechanism, c.parameters, c.flops, c.latency(1),
    c.latency(32),
    c.run_key, c.provenance("code_revision", "code revision"), c.provenance("device", "device"),
    c.provenance("data_key", "data"), c.measures,
)  # fmt: skip

OF_TEXT = (c.bits_per_byte, c.perplexity)
"""Columns of running text, before the others."""


@table("arms")
def arms(study: Study) -> list[Table]:
    """One table per grid and task: ``NAME_grid``, with the task where a grid has several."""
    tasks = Counter(grid.folder for grid in study.grids)
    titles = [layout.title(grid) for grid in study.grids]
    return [
        _table(
            grid,
            f"{grid.name}_{grid.task}" if tasks[grid.folder] > 1 else grid.name,
            f"{title} ({grid.folder.parent.name})" if titles.count(title) > 1 else title,
        )
        for grid, title in zip(study.grids, titles, strict=True)
    ]


def _table(grid: GridStudy, name: str, heading: str) -> Table:
    contrasts = {arm.name: grid.contrast("difference", arm.name, grid.base or "") for arm in grid.arms}
    lines = [layout.Line(grid, arm, contrast=contrasts[arm.name]) for arm in grid.arms]
    lines += [layout.Line(grid, arm, ruled=not place) for place, arm in enumerate(grid.others)]
    shown = [*lines, *layout.reference_lines(grid, on_its_data=False)]
    of_text = any(one.text_metrics for line in shown for one in (line.arm, line.reference) if one)
    columns, rows = layout.laid_out(shown, (COLUMNS[0], *(OF_TEXT if of_text else ()), *COLUMNS[1:]))
    base = f"Differences are to {grid.base}, paired by seed." if grid.base else "No base is named."
    decided = [contrast for contrast in contrasts.values() if contrast]
    powers = [family.power for family in grid.families if family.base == grid.base]
    notes = (base, *layout.reasons(decided), *powers, *_references(grid), grid.timing, _cut(grid), grid.verdicts,
             *grid.notes)  # fmt: skip
    return Table(name, heading, columns, rows, grid.warnings, tuple(filter(None, notes)))


def _references(grid: GridStudy) -> list[str]:
    details = "; ".join(f"{one.name}: {one.detail}" for one in grid.references if one.detail)
    left_out = f"Left out: {'; '.join(grid.left_out)}." if grid.left_out else ""
    return [f"{details}." if details else "", left_out]


def _cut(grid: GridStudy) -> str:
    """Examples that lost their ends."""
    arms = [arm for arm in (*grid.arms, *grid.others) if arm.n]
    most = {split: max((int(max(arm.column(f"truncated_{split}"))) for arm in arms), default=0) for split in c.SPLITS}
    if not any(most.values()):
        return ""
    return f"Examples cut at the length limit (most in any run): {', '.join(f'{k} {v:,}' for k, v in most.items())}."
