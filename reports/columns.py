"""The columns that Markdown and LaTeX share: what stands in each, as text, with missing shown as missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .rows import Row, Table
from .statistics.interval import Interval
from .table import BATCHES

MISSING = "—"
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


def engineering(value: float) -> str:
    """Three significant digits with a decimal prefix: 1234567 → ``1.23 M``."""
    for power, prefix in ((12, " T"), (9, " G"), (6, " M"), (3, " k")):
        if value >= 0.9995 * 10**power:
            return _three(value / 10**power) + prefix
    return _three(value)


def _three(value: float) -> str:
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def _percent(share: float, sign: str = "") -> str:
    value = round(100 * share, 2) + 0.0  # + 0.0 turns -0.0 into 0.0
    return f"{value:{sign}.2f}".replace("-", "−")


def _with_half(interval: Interval, sign: str = "") -> str:
    half = interval.half
    bounds = "(no interval)" if half is None else f"± {_percent(half)}"
    return f"{_percent(interval.mean, sign)} {bounds}"


def _accuracy(row: Row) -> str:
    interval = row.accuracy
    if interval is None:
        return MISSING
    if not row.is_arm and interval.low is not None and interval.high is not None:
        return f"{_percent(interval.mean)} [{_percent(interval.low)}, {_percent(interval.high)}]"
    return _with_half(interval)


def _count(row: Row) -> str:
    return plural(row.n, "seed") if row.is_arm else f"{row.n:,} examples"


def _difference(row: Row) -> str:
    if not row.is_arm or row.is_base:
        return "base" if row.is_base else ""
    if row.difference is None:
        return MISSING
    return f"{_with_half(row.difference, '+')}, {plural(row.difference.n, 'pair')}"


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
        pair = f"{_three(1e3 * found.median_s)} / {_three(1e3 * found.p95_s)}"
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


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


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
