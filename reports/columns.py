"""The columns that Markdown and LaTeX share: what stands in each, as text, with missing shown as missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .rows import Row, Table
from .sheet import MISSING
from .table import BATCHES
from .words import engineering, plural, three, with_bounds, with_half

PROVENANCE = {"code_revision": "code revision", "device": "device", "data_key": "data"}


@dataclass(frozen=True)
class Column:
    head: tuple[str, ...]  # one entry per line
    text: Callable[[Row], str]
    is_code: bool = False  # names and keys, set in a typewriter face


def columns(table: Table) -> list[Column]:
    """The columns of one table; what is the same in all rows is left to ``notes.py``."""
    return [
        Column(("arm",), lambda row: row.name, is_code=True),
        Column(("test accuracy, %", "(95 % interval)"), _accuracy),
        Column(("n",), _count),
        Column(("difference to base,", "points (95 % interval)"), _difference),
        Column(("parameters", "total"), lambda row: _parameters(row, "total")),
        Column(("parameters", "w/o embedding"), lambda row: _parameters(row, "without_embedding")),
        _flops_column(table),
        *(_latency_column(table, batch) for batch in BATCHES),
        Column(("config key",), lambda row: row.run_key or _blank(row), is_code=True),
        *(_provenance_column(key) for key in PROVENANCE if shared(table, key) is None),
    ]


def _accuracy(row: Row) -> str:
    interval = row.accuracy
    if interval is None:
        return MISSING
    if not row.is_arm and interval.low is not None and interval.high is not None:
        return with_bounds(interval)
    return with_half(interval)


def _count(row: Row) -> str:
    return plural(row.n, "seed") if row.is_arm else f"{row.n:,} examples"


def _difference(row: Row) -> str:
    if not row.is_arm or row.is_base:
        return "base" if row.is_base else ""
    if row.difference is None:
        return MISSING
    return f"{with_half(row.difference, '+')}, {plural(row.difference.n, 'pair')}"


def _parameters(row: Row, key: str) -> str:
    return _blank(row) if row.parameters is None else f"{getattr(row.parameters, key):,}"


def _flops_column(table: Table) -> Column:
    lengths = {row.flops.length for row in table.arms if row.flops}
    one = len(lengths) == 1
    second = f"(length {lengths.copy().pop()})" if one else "(@ length)"

    def text(row: Row) -> str:
        if row.flops is None:
            return _blank(row)
        return engineering(row.flops.forward) + ("" if one else f" @ {row.flops.length}")

    return Column(("FLOPs per example", second), text)


def _latency_column(table: Table, batch: int) -> Column:
    lengths = {found.length for row in table.arms for found in row.latency.values()}
    one = len(lengths) == 1
    where = f", length {lengths.copy().pop()}" if one else ""

    def text(row: Row) -> str:
        found = row.latency.get(batch)
        if found is None:
            return _blank(row)
        pair = f"{three(1e3 * found.median_s)} / {three(1e3 * found.p95_s)}"
        return pair + ("" if one else f" @ {found.length}")

    return Column((f"latency, batch {batch}{where},", "ms (median / p95)"), text)


def _provenance_column(key: str) -> Column:
    return Column((PROVENANCE[key],), lambda row: getattr(row, key) or _blank(row), is_code=True)


def shared(table: Table, key: str) -> str | None:
    """The one value that all finished arms have; None where they differ."""
    values = {getattr(row, key) for row in table.arms if row.n}
    return values.pop() if len(values) == 1 else None if values else ""


def _blank(row: Row) -> str:
    """Missing in an arm; in a floor or ceiling the column has no meaning and stays empty."""
    return MISSING if row.is_arm else ""


def varying(rows: Sequence[Row]) -> list[str]:
    """The names of the rows, with what tells them apart added where an arm has several rows."""
    names = [row.name for row in rows]
    keys = ("run_key", *PROVENANCE)
    labels = []
    for row in rows:
        twins = [other for other in rows if other.name == row.name]
        apart = [getattr(row, key) for key in keys if len({getattr(twin, key) for twin in twins}) > 1]
        labels.append(f"{row.name} [{'; '.join(apart)}]" if names.count(row.name) > 1 else row.name)
    return labels
