"""``provenance``: a row per grid: which code, PyTorch and device its runs are of, and whether it was registered."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from swarmformer.records import ENVIRONMENT, Environment, UnreadableFileError, load

from ..render.table import Column, Entry, Row, Table
from ..study.model import GridStudy, Study
from . import table

HEADS = ("grid", "runs", "code revision", "source hash", "PyTorch", "device", "precision", "registered")
WORDS = ("runs", "registered")
"""Heads of what is no name: a version or a device may look like a number, and is none."""
UNKNOWN = "not recorded"


@table("provenance")
def provenance(study: Study) -> list[Table]:
    """One table over all grids with completed runs."""
    rows = tuple(_row(grid) for grid in study.grids if any(arm.n for arm in grid.arms))
    return [Table("", "", tuple(Column(head, is_code=head not in WORDS) for head in HEADS), rows)] if rows else []


def _row(grid: GridStudy) -> Row:
    """Of the runs that its tables use."""
    arms = [arm for arm in grid.arms if arm.n]
    sources = tuple(source for arm in arms for source in arm.sources)
    facts = {
        "grid": grid.name,
        "runs": str(sum(arm.n for arm in arms)),
        **{head: _once(value for arm in arms for value in arm.column(column)) for head, column in (
            ("code revision", "code_revision"), ("source hash", "code_hash"))},
        "PyTorch": _once(_torch(grid.folder / Path(source).name) for source in sources),
        "device": _once(value for arm in arms for value in arm.column("device")),
        "precision": _once(value for arm in arms for value in arm.column("computed_in")),
        "registered": "no" if grid.followed.unregistered else "yes",
    }  # fmt: skip
    return Row(tuple(Entry(text, {head: text}, sources) for head, text in facts.items()))


def _torch(cell: Path) -> str:
    """Of the last start, from which the run went to its end."""
    try:
        return load(cell / ENVIRONMENT, Environment).last.packages.get("torch") or UNKNOWN
    except UnreadableFileError:
        return UNKNOWN


def _once(values: Iterable[object]) -> str:
    """Each once, with how many runs have it where they are of several."""
    counts = dict[str, int]()
    for value in values:
        text = str(value or UNKNOWN)
        counts[text] = counts.get(text, 0) + 1
    return "; ".join(f"{text} ({count})" if len(counts) > 1 else text for text, count in sorted(counts.items()))
