"""The larger files of a cell, read when a table or a picture asks for them."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .errors import UnreadableFileError

PREDICTIONS, CURVE, ENVIRONMENT = "predictions.npz", "curve.jsonl", "environment.json"


@dataclass(frozen=True)
class Predictions:
    """Of the test split: what was asked, what is right, what was answered (logits [n, K])."""

    names: np.ndarray
    labels: np.ndarray
    logits_NK: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """Whether each answer is right, [n]."""
        return self.logits_NK.argmax(axis=1) == self.labels


def read_predictions(cell: Path) -> Predictions | None:
    """Predictions of a cell's folder; None where it has none.

    Raises UnreadableFileError where they cannot be read. Never unpickles.
    """
    path = cell / PREDICTIONS
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Predictions(arrays["names"], arrays["labels"], arrays["logits"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UnreadableFileError(path, str(error)) from error


def read_curve(cell: Path) -> pd.DataFrame:
    """The records of curve.jsonl, one row each (empty where there is none): ``kind`` is train, validation …

    Raises UnreadableFileError where a line is not JSON; the last line may be half-written in a killed run and is left
    out then.
    """
    path = cell / CURVE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            if number + 1 < len(lines):
                raise UnreadableFileError(path, f"line {number + 1} is not JSON") from error
    return pd.DataFrame(records)


def read_environment(cell: Path) -> dict[str, Any]:
    """environment.json of a cell: packages, code, machine, device; empty where there is none."""
    path = cell / ENVIRONMENT
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFileError(path, str(error)) from error
    return dict(found)
