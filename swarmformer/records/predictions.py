"""``predictions.npz``: what was asked of the test split, what is right, what was answered. Never pickled."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .base import UnreadableFileError, write_bytes_atomically

PREDICTIONS = "predictions.npz"
CHECKSUM = "sha256"


@dataclass(frozen=True)
class Predictions:
    """``names`` [n] of texts or tokens asked about, ``labels`` [n], ``logits_NK`` [n, K]."""

    names: np.ndarray
    labels: np.ndarray
    logits_NK: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """Whether each answer is right, [n]."""
        return self.logits_NK.argmax(axis=1) == self.labels

    def checksum(self) -> str:
        """SHA-256 over types, shapes and content."""
        digest = hashlib.sha256()
        for array in (self.names, self.labels, self.logits_NK):
            digest.update(f"{array.dtype.str} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def save_predictions(cell: Path, predictions: Predictions) -> None:
    """Write them, with their checksum, into a cell's folder."""
    buffer = io.BytesIO()
    arrays = {"names": predictions.names, "labels": predictions.labels, "logits": predictions.logits_NK}
    np.savez_compressed(buffer, **arrays, **{CHECKSUM: np.array(predictions.checksum())})  # type: ignore[arg-type]
    write_bytes_atomically(cell / PREDICTIONS, buffer.getvalue())


def read_predictions(cell: Path) -> Predictions | None:
    """Predictions of a cell's folder; None where it has none. Those of older runs have no checksum to verify.

    Raises:
        UnreadableFileError: damaged, or not what was written.
    """
    path = cell / PREDICTIONS
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            read = Predictions(arrays["names"], arrays["labels"], arrays["logits"])
            expected = str(arrays[CHECKSUM]) if CHECKSUM in arrays else None
    except Exception as error:  # zipfile and numpy fail in any way over damaged bytes
        raise UnreadableFileError(path, f"damaged ({error}); {REPAIR}") from error
    if expected is not None and expected != read.checksum():
        raise UnreadableFileError(path, f"not what was written: its checksum differs; {REPAIR}")
    if not len(read.names) == len(read.labels) == len(read.logits_NK):
        raise UnreadableFileError(path, f"names, labels and logits differ in number; {REPAIR}")
    return read


REPAIR = "restore it from a copy, or delete the cell's result.json and run the grid again"
