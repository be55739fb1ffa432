"""Tables as CSV: every column, raw numbers (fractions of 1, seconds, FLOPs), empty where missing."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from .columns import PROVENANCE
from .frame import MEASURES
from .rows import Row, Table
from .statistics.interval import Interval
from .table import BATCHES


def tables_csv(tables: Sequence[Table]) -> str:
    """All rows of all tables as one CSV; ``grid`` and ``task`` say which table a row is of."""
    records = [_record(table, row) for table in tables for row in table.rows]
    # object keeps whole numbers whole in columns that have gaps.
    return pd.DataFrame(records, dtype=object).to_csv(index=False, lineterminator="\n")


def _record(table: Table, row: Row) -> dict[str, object]:
    return {
        "grid": table.grid,
        "task": table.task,
        "kind": row.kind,
        "name": row.name,
        "variant": row.variant,
        "is_base": row.is_base,
        "seeds": " ".join(map(str, row.seeds)),
        "n": row.n,
        **_bounds("accuracy", row.accuracy),
        "accuracy_interval": "student-t over seeds" if row.is_arm else "wilson over examples",
        **_bounds("difference", row.difference),
        "pairs": row.difference.n if row.difference else None,
        **{name: row.means.get(name) for name in MEASURES if name != "accuracy"},
        "test_examples": row.test_examples,
        **{f"truncated_{split}": row.truncated.get(split) for split in ("train", "validation", "test")},
        "parameters_total": row.parameters.total if row.parameters else None,
        "parameters_without_embedding": row.parameters.without_embedding if row.parameters else None,
        "flops_forward": row.flops.forward if row.flops else None,
        "flops_length": row.flops.length if row.flops else None,
        **{key: value for batch in BATCHES for key, value in _latency(row, batch).items()},
        "run_key": row.run_key,
        **{key: getattr(row, key) for key in PROVENANCE},
        "detail": row.detail,
    }


def _bounds(name: str, interval: Interval | None) -> dict[str, float | None]:
    return {
        name: interval.mean if interval else None,
        f"{name}_low": interval.low if interval else None,
        f"{name}_high": interval.high if interval else None,
    }


def _latency(row: Row, batch: int) -> dict[str, float | None]:
    found = row.latency.get(batch)
    keys = ("median_s", "p95_s", "length", "share_of_ceiling")
    return {f"latency_b{batch}_{key}": getattr(found, key) if found else None for key in keys}
