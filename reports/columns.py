"""The columns of the accuracy table: what stands in each, with its raw numbers and where they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from .frame import MEASURES
from .rows import Row, Table
from .schema import Latency
from .sheet import MISSING, Column, Entry, Raw
from .statistics.interval import Interval
from .table import BATCHES
from .words import engineering, plural, three, with_bounds, with_half

PROVENANCE = {"code_revision": "code revision", "device": "device", "data_key": "data"}
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class ArmColumn:
    """A column of the sheet, and its entry in a row."""

    column: Column
    entry: Callable[[Row], Entry]


def columns(table: Table) -> list[ArmColumn]:
    """The columns of one table; what is the same in all rows is left to ``notes.py``, and here to the CSV."""
    return [
        ArmColumn(Column(("arm",), is_code=True), partial(_name, table)),
        ArmColumn(Column(("test accuracy, %", "(95 % interval)")), _accuracy),
        ArmColumn(Column(("n",)), _count),
        ArmColumn(Column(("difference to base,", "points (95 % interval)")), _difference),
        ArmColumn(Column(("parameters", "total")), partial(_parameters, "total")),
        ArmColumn(Column(("parameters", "w/o embedding")), partial(_parameters, "without_embedding")),
        _flops_column(table),
        *(_latency_column(table, batch) for batch in BATCHES),
        ArmColumn(Column(("config key",), is_code=True), partial(_text_of, "run_key")),
        *(
            ArmColumn(Column((title,), True, in_csv_only=shared(table, key) is not None), partial(_text_of, key))
            for key, title in PROVENANCE.items()
        ),
        ArmColumn(Column(("further measures",), in_csv_only=True), _measures),
    ]


def shared(table: Table, key: str) -> str | None:
    """The one value that all finished arms have; None where they differ."""
    values = {getattr(row, key) for row in table.arms if row.n}
    return values.pop() if len(values) == 1 else None if values else ""


def _name(table: Table, row: Row) -> Entry:
    raw: Raw = {
        "grid": table.grid, "task": table.task, "kind": row.kind, "name": row.name, "variant": row.variant,
        "is_base": row.is_base,
    }  # fmt: skip
    return Entry(row.name if row.is_arm else f"{row.name} ({row.kind})", raw, row.sources)


def _accuracy(row: Row) -> Entry:
    raw = {
        **_bounds("accuracy", row.accuracy),
        "accuracy_interval": "student-t over seeds" if row.is_arm else "wilson over examples",
    }
    return Entry(_accuracy_text(row), raw, row.sources)


def _accuracy_text(row: Row) -> str:
    if row.accuracy is None:
        return MISSING
    return with_half(row.accuracy) if row.is_arm or row.accuracy.low is None else with_bounds(row.accuracy)


def _count(row: Row) -> Entry:
    text = plural(row.n, "seed") if row.is_arm else plural(row.n, "example")
    return Entry(text, {"seeds": " ".join(map(str, row.seeds)), "n": row.n}, row.sources)


def _difference(row: Row) -> Entry:
    raw = {**_bounds("difference", row.difference), "pairs": row.difference.n if row.difference else None}
    if not row.is_arm or row.is_base:
        return Entry("base" if row.is_base else "", raw)
    if row.difference is None:
        return Entry(MISSING, raw, (*row.sources, *row.base_sources))
    text = f"{with_half(row.difference, '+')}, {plural(row.difference.n, 'pair')}"
    return Entry(text, raw, (*row.sources, *row.base_sources))


def _parameters(key: str, row: Row) -> Entry:
    count = getattr(row.parameters, key) if row.parameters else None
    return Entry(_blank(row) if count is None else f"{count:,}", {f"parameters_{key}": count}, _of_arm(row))


def _flops_column(table: Table) -> ArmColumn:
    lengths = {row.flops.length for row in table.arms if row.flops}
    one = len(lengths) == 1
    second = f"(length {lengths.copy().pop()})" if one else "(@ length)"

    def entry(row: Row) -> Entry:
        if row.flops is None:
            return Entry(_blank(row), {"flops_forward": None, "flops_length": None}, _of_arm(row))
        text = engineering(row.flops.forward) + ("" if one else f" @ {row.flops.length}")
        return Entry(text, {"flops_forward": row.flops.forward, "flops_length": row.flops.length}, _of_arm(row))

    return ArmColumn(Column(("FLOPs per example", second)), entry)


def _latency_column(table: Table, batch: int) -> ArmColumn:
    lengths = {found.length for row in table.arms for found in row.latency.values()}
    one = len(lengths) == 1
    where = f", length {lengths.copy().pop()}" if one else ""

    def entry(row: Row) -> Entry:
        found = row.latency.get(batch)
        if found is None:
            return Entry(_blank(row), _latency(batch, None), _of_arm(row))
        pair = f"{three(1e3 * found.median_s)} / {three(1e3 * found.p95_s)}"
        text = pair + ("" if one else f" @ {found.length}")
        # Which configuration was timed is known from the runs.
        return Entry(text, _latency(batch, found), (f"{table.folder}/costs.json", *row.sources))

    return ArmColumn(Column((f"latency, batch {batch}{where},", "ms (median / p95)")), entry)


def _latency(batch: int, found: Latency | None) -> Raw:
    keys = ("median_s", "p95_s", "length", "share_of_ceiling")
    return {f"latency_b{batch}_{key}": getattr(found, key) if found else None for key in keys}


def _text_of(key: str, row: Row) -> Entry:
    value = getattr(row, key)
    return Entry(value or _blank(row), {key: value}, row.sources)


def _measures(row: Row) -> Entry:
    raw = {
        **{name: row.means.get(name) for name in MEASURES if name != "accuracy"},
        "test_examples": row.test_examples,
        **{f"truncated_{split}": row.truncated.get(split) for split in SPLITS},
        "detail": row.detail,
    }
    return Entry("", raw, row.sources)


def _bounds(name: str, interval: Interval | None) -> Raw:
    return {
        name: interval.mean if interval else None,
        f"{name}_low": interval.low if interval else None,
        f"{name}_high": interval.high if interval else None,
    }


def _of_arm(row: Row) -> tuple[str, ...]:
    """Sources of what a floor or ceiling has not."""
    return row.sources if row.is_arm else ()


def _blank(row: Row) -> str:
    """Missing in an arm; in a floor or ceiling the column has no meaning and stays empty."""
    return MISSING if row.is_arm else ""
