"""Completed cells as a tidy table: one row per run, one column per fact."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from .read import Cell, Grid
from .schema import Result

FACTS = ("task", "arm", "seed", "run_key", "data_key", "code_revision", "device")
MEASURES = ("accuracy", "precision", "recall", "f1", "loss", "validation_accuracy", "train_s", "total_s")


def tidy(cells: Iterable[Cell]) -> pd.DataFrame:
    """One row per completed cell, ordered by folder; ``result`` holds the whole record.

    Measures are of the test split as fractions of 1 (``loss`` in nats), except ``validation_accuracy``.
    """
    finished = sorted(((c.where, c.result) for c in cells if c.result is not None), key=lambda pair: pair[0])
    rows = [{"where": where, **_facts(r), **_measures(r), "result": r} for where, r in finished]
    return pd.DataFrame(rows, columns=["where", *FACTS, *MEASURES, "result"])


def _facts(result: Result) -> dict[str, object]:
    return {name: getattr(result, name) for name in FACTS}


def _measures(result: Result) -> dict[str, float]:
    test, seconds = result.metrics.test, result.seconds
    of_test = (test.accuracy, test.precision, test.recall, test.f1, test.loss)
    values = (*of_test, result.metrics.validation.accuracy, seconds.train, seconds.total)
    return dict(zip(MEASURES, values, strict=True))


COLUMNS = (
    "grid", "where", "status", "cause", "task", "arm", "seed", "variant", "run_key", "data_key", "code_revision",
    "device", "started_at", *MEASURES, "test_examples", "parameters_total", "parameters_without_embedding",
    "flops_forward", "flops_length", "truncated_train", "truncated_validation", "truncated_test",
)  # fmt: skip
"""Of the tidy table; measures and sizes are empty (NaN) in cells that are not completed."""


def tidy_runs(grids: Iterable[Grid]) -> pd.DataFrame:
    """The one table that everything else is made of: a row per planned or found cell, whatever its status.

    Ordered by grid and folder. Measures of the test split are fractions of one (``loss`` in nats), times in seconds,
    FLOPs of a forward pass of one example at ``flops_length`` tokens.
    """
    rows = [_flat(grid, cell) for grid in grids for cell in grid.cells if cell.arm is not None]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.sort_values(["grid", "where"], kind="stable", ignore_index=True)


def _flat(grid: Grid, cell: Cell) -> dict[str, object]:
    base: dict[str, object] = {
        "grid": grid.name, "where": cell.where, "status": str(cell.status), "cause": cell.cause,
        "task": cell.task, "arm": cell.arm, "seed": cell.seed,
    }  # fmt: skip
    result = cell.result
    if result is None:
        return base
    facts = {name: getattr(result, name) for name in ("variant", *FACTS[3:], "started_at")}
    sizes = {
        "test_examples": result.metrics.test.n,
        "parameters_total": result.parameters.total,
        "parameters_without_embedding": result.parameters.without_embedding,
        "flops_forward": result.flops.forward,
        "flops_length": result.flops.length,
        **{f"truncated_{split}": count for split, count in result.truncated.model_dump().items()},
    }
    return {**base, **facts, **_measures(result), **sizes}
