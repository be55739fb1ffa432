"""Cells as one tidy table: a row per planned or found cell, a column per fact."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from swarmformer.records import Result

from .read import Cell, Grid

FACTS = ("variant", "run_key", "data_key", "code", "code_hash", "code_revision", "device", "started_at")
MEASURES = ("accuracy", "precision", "recall", "f1", "loss", "validation_accuracy", "train_s", "total_s")
SIZES = (
    "test_examples", "parameters_total", "parameters_without_embedding", "flops_forward", "flops_length",
    "truncated_train", "truncated_validation", "truncated_test",
)  # fmt: skip
COLUMNS = ("grid", "folder", "where", "status", "cause", "task", "arm", "seed", *FACTS, *MEASURES, *SIZES)
"""Facts, measures and sizes are empty (NaN) in cells that are not completed. ``code`` is what must agree for two runs
to be of the same code: the hash, or the revision where there is none."""


def tidy(grids: Iterable[Grid]) -> pd.DataFrame:
    """Ordered by grid and folder. Measures are of the test split as fractions of one (``loss`` in nats), but for
    ``validation_accuracy``; times in seconds; FLOPs of a forward pass of one example at ``flops_length`` tokens."""
    rows = [_row(grid, cell) for grid in grids for cell in grid.cells if cell.arm is not None]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.sort_values(["grid", "where"], kind="stable", ignore_index=True)


def _row(grid: Grid, cell: Cell) -> dict[str, object]:
    identity: dict[str, object] = {
        "grid": grid.name, "folder": grid.folder.name, "where": cell.where, "status": str(cell.status),
        "cause": cell.cause, "task": cell.task, "arm": cell.arm, "seed": cell.seed,
    }  # fmt: skip
    result = cell.result
    return identity if result is None else {**identity, **_facts(result), **_measures(result), **_sizes(result)}


def _facts(result: Result) -> dict[str, object]:
    return {name: getattr(result, name) for name in FACTS}


def _measures(result: Result) -> dict[str, object]:
    test, seconds = result.metrics.test, result.seconds
    of_test = (test.accuracy, test.precision, test.recall, test.f1, test.loss)
    values = (*of_test, result.metrics.validation.accuracy, seconds.train, seconds.total)
    return dict(zip(MEASURES, values, strict=True))


def _sizes(result: Result) -> dict[str, object]:
    parameters, flops, cut = result.parameters, result.flops, result.truncated
    values = (
        result.metrics.test.n, parameters.total, parameters.without_embedding, flops.forward, flops.length,
        cut.train, cut.validation, cut.test,
    )  # fmt: skip
    return dict(zip(SIZES, values, strict=True))
