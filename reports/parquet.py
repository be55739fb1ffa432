"""``results.parquet``: the tidy table of all runs, without index and without marks of the machine that wrote it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .frame import COLUMNS, MEASURES

NAME = "results.parquet"
COUNTS = (
    "seed", "test_examples", "parameters_total", "parameters_without_embedding", "flops_forward", "flops_length",
    "truncated_train", "truncated_validation", "truncated_test",
)  # fmt: skip


def schema() -> pa.Schema:
    """Names and types; a value that a run does not have is null."""
    types = {**dict.fromkeys(COUNTS, pa.int64()), **dict.fromkeys(MEASURES, pa.float64())}
    return pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])


def results_parquet(runs: pd.DataFrame) -> bytes:
    """The tidy table (``reports.frame.tidy_runs``) as Parquet; the same table gives the same bytes."""
    table = pa.Table.from_pandas(runs, schema=schema(), preserve_index=False).replace_schema_metadata(None)
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    return bytes(buffer.getvalue())


def same_content(first: bytes, second: Path) -> bool:
    """Whether two Parquet files hold the same table, whichever version of the library wrote them."""
    return pq.read_table(pa.BufferReader(first)).equals(pq.read_table(second))
