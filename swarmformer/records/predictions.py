"""What was asked of the test split, what is right, what was answered: ``predictions.npz``; of running text, what each
window of it cost: ``losses.npz``. Never pickled."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .base import UnreadableFileError, write_bytes_atomically

PREDICTIONS, LOSSES = "predictions.npz", "losses.npz"
CHECKSUM = "sha256"
REPAIR = "restore it from a copy, or delete the cell's result.json and run the grid again"


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

    def arrays(self) -> dict[str, np.ndarray]:
        """As they are stored."""
        return {"names": self.names, "labels": self.labels, "logits": self.logits_NK}


@dataclass(frozen=True)
class TokenLosses:
    """Of every window of running text, [n]: its ``names``, how many ``tokens`` were predicted in it, and the sum of
    their negative log-likelihoods, ``nats``. Logits of every token would be too large to keep."""

    names: np.ndarray
    tokens: np.ndarray
    nats: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """As they are stored."""
        return {"names": self.names, "tokens": self.tokens, "nats": self.nats}


def save_predictions(cell: Path, predictions: Predictions | TokenLosses) -> None:
    """Write them, with their checksum, into a cell's folder."""
    buffer, arrays = io.BytesIO(), predictions.arrays()
    np.savez_compressed(buffer, **arrays, **{CHECKSUM: np.array(checksum(arrays))})  # type: ignore[arg-type]
    name = PREDICTIONS if isinstance(predictions, Predictions) else LOSSES
    write_bytes_atomically(cell / name, buffer.getvalue())


def read_predictions(cell: Path) -> Predictions | None:
    """Predictions of a cell's folder; None where it has none. Those of older runs have no checksum to verify.

    Raises:
        UnreadableFileError: damaged, or not what was written.
    """
    arrays = _read(cell / PREDICTIONS, ("names", "labels", "logits"))
    return None if arrays is None else Predictions(*arrays.values())


def read_losses(cell: Path) -> TokenLosses | None:
    """As ``read_predictions``."""
    arrays = _read(cell / LOSSES, ("names", "tokens", "nats"))
    return None if arrays is None else TokenLosses(*arrays.values())


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over types, shapes and content."""
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(f"{array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _read(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray] | None:
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in names}
            expected = str(stored[CHECKSUM]) if CHECKSUM in stored else None
    except Exception as error:  # zipfile and numpy fail in any way over damaged bytes
        raise UnreadableFileError(path, f"damaged ({error}); {REPAIR}") from error
    if expected is not None and expected != checksum(arrays):
        raise UnreadableFileError(path, f"not what was written: its checksum differs; {REPAIR}")
    if len({len(array) for array in arrays.values()}) > 1:
        *first, last = names
        raise UnreadableFileError(path, f"{', '.join(first)} and {last} differ in number; {REPAIR}")
    return arrays
