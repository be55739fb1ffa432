"""Completed cells as a tidy table: one row per run, one column per fact."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from .read import Cell
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
