"""What was asked of the test split, what is right, what was answered: ``predictions.npz``; of running text, what each
window of it cost: ``losses.npz``. Never pickled."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .base import UnreadableFileError, in_a_line, write_bytes_atomically
from .run import RESULT, Result, check_file

PREDICTIONS, LOSSES = "predictions.npz", "losses.npz"
CHECKSUM = "sha256"
REPAIR = "restore it from a copy, or delete the cell's result.json and run the grid again"
LARGEST = 1 << 31
"""Bytes that predictions unpack to at most."""
LOSS_TOLERANCE = 1e-5
"""Share by which a mean of stored logits may differ from what was computed in one go, in fp32."""


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

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        logits_NK = self.logits_NK.astype(np.float64)
        peak_N1 = logits_NK.max(axis=1, keepdims=True)
        total_N = np.log(np.exp(logits_NK - peak_N1).sum(axis=1)) + peak_N1[:, 0]
        return float((total_N - logits_NK[np.arange(len(self.labels)), self.labels]).mean())

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


def read_predictions(cell: Path, result: Result | None = None) -> Predictions | None:
    """Predictions of a cell's folder; None where it has none. Those of older runs have no checksum to verify.

    Args:
        result: of the cell, where it is at hand: they must be the ones that it was made of, and give its metrics.

    Raises:
        UnreadableFileError: damaged, not what was written, or of another result.
    """
    path = cell / PREDICTIONS
    arrays = _read(path, {"names": "U", "labels": "iu", "logits": "f"}, result)
    if arrays is None:
        return None
    found = Predictions(*arrays.values())
    if found.logits_NK.ndim != 2 or not np.isfinite(found.logits_NK).all():
        raise UnreadableFileError(path, f"its logits are no table of finite numbers; {REPAIR}")
    if len(found.labels) and not 0 <= found.labels.min() <= found.labels.max() < found.logits_NK.shape[1]:
        raise UnreadableFileError(path, f"a label is none of its {found.logits_NK.shape[1]} classes; {REPAIR}")
    if result is not None:
        told = result.metrics.test
        _agrees(path, "examples", len(found.labels), told.n, 0)
        _agrees(path, "accuracy", found.correct.mean(), told.accuracy, 1e-9)
        _agrees(path, "loss", found.loss, told.loss, LOSS_TOLERANCE)
    return found


def read_losses(cell: Path, result: Result | None = None) -> TokenLosses | None:
    """As ``read_predictions``."""
    path = cell / LOSSES
    arrays = _read(path, {"names": "U", "tokens": "iu", "nats": "f"}, result)
    if arrays is None:
        return None
    found = TokenLosses(*arrays.values())
    if result is not None:
        told = result.metrics.test
        _agrees(path, "tokens", int(found.tokens.sum()), told.n, 0)
        _agrees(path, "loss", found.nats.sum() / max(told.n, 1), told.loss, LOSS_TOLERANCE)
    return found


def _agrees(path: Path, what: str, found: float, told: float, tolerance: float) -> None:
    """That a metric of result.json follows from what was stored beside it, up to a share of rounding."""
    if not abs(found - told) <= tolerance * max(1.0, abs(told)):
        raise UnreadableFileError(path, f"gives {what} {found:.9g}, but {RESULT} says {told:.9g}: one of them is of "
                                  f"another run or was changed; {REPAIR}")  # fmt: skip


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over types, shapes and content."""
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(f"{array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _read(path: Path, kinds: Mapping[str, str], result: Result | None) -> dict[str, np.ndarray] | None:
    """The arrays of a file: name → letters of the types that it may have."""
    if not path.exists():
        return None
    if result is not None:
        check_file(path, result.files)
    try:
        _check_size(path)
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in kinds}
            expected = str(stored[CHECKSUM]) if CHECKSUM in stored else None
    except UnreadableFileError:
        raise
    except Exception as error:  # zipfile and numpy fail in any way over damaged bytes
        raise UnreadableFileError(path, f"damaged ({in_a_line(error)}); {REPAIR}") from error
    if expected is not None and expected != checksum(arrays):
        raise UnreadableFileError(path, f"not what was written: its checksum differs; {REPAIR}")
    wrong = [name for name, letters in kinds.items() if arrays[name].dtype.kind not in letters or not arrays[name].ndim]
    if wrong:
        raise UnreadableFileError(path, f"{wrong[0]} has type {arrays[wrong[0]].dtype}; {REPAIR}")
    if len({len(array) for array in arrays.values()}) > 1:
        *first, last = kinds
        raise UnreadableFileError(path, f"{', '.join(first)} and {last} differ in number; {REPAIR}")
    return arrays


def _check_size(path: Path) -> None:
    """Before anything is unpacked: a few megabytes can hold gigabytes of zeros."""
    with zipfile.ZipFile(path) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > LARGEST:
        raise UnreadableFileError(path, f"would unpack to {size:,} bytes; predictions have no more than {LARGEST:,}")
