"""What was asked of the test split, what is right, what was answered: ``predictions.npz``; of running text, what each
window of it cost: ``losses.npz``. Never pickled."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .base import UnreadableFileError, digest_of, in_a_line, write_bytes_atomically
from .names import LOSSES, PREDICTIONS, RESULT
from .run import Result, check_file

ANSWERS, ASKED = "answers.npz", "asked_{}.npz"
"""What an archive keeps of predictions, laid out: of a cell, and the examples of a grid by their digest."""
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
    def given(self) -> np.ndarray:
        """The class that was answered, [n]."""
        return self.logits_NK.argmax(axis=1).astype(np.int32)

    @property
    def correct(self) -> np.ndarray:
        """Whether each answer is right, [n]."""
        return self.given == self.labels

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        from scipy.special import log_softmax  # here: a sixth of a second, which few readers of records need

        logs_NK = log_softmax(self.logits_NK.astype(np.float64), axis=1)
        return -float(logs_NK[np.arange(len(self.labels)), self.labels].mean())

    def arrays(self) -> dict[str, np.ndarray]:
        """As they are stored."""
        return {"names": self.names, "labels": self.labels, "logits": self.logits_NK}


@dataclass(frozen=True)
class Asked:
    """The examples of a test split: ``names`` [n] and ``labels`` [n]."""

    names: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, names: Sequence[str], labels: Sequence[int]) -> Asked:
        return cls(np.array(names, dtype=np.str_), np.array(labels, dtype=np.int64))

    @cached_property
    def digest(self) -> str:
        """Of names and labels, in their order."""
        content = "\n".join(self.names.tolist()).encode("utf-8", "surrogatepass") + self.labels.astype("<i8").tobytes()
        return digest_of(content)[:12]

    @cached_property
    def order(self) -> np.ndarray:
        """Of the names."""
        return np.argsort(self.names, kind="stable")

    def are(self, other: Asked) -> bool:
        """Whether both are the same examples with the same labels, in any order."""
        return self.digest == other.digest or (
            np.array_equal(self.names[self.order], other.names[other.order])
            and np.array_equal(self.labels[self.order], other.labels[other.order])
        )


@dataclass(frozen=True)
class Answers:
    """What a run answered to each of them: classes, ``given`` [n]."""

    asked: Asked
    given: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Whether each is right, [n], in the order of the names."""
        return (self.given == self.asked.labels)[self.asked.order]


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


def save_asked(grid: Path, asked: Asked) -> None:
    """Write examples for the answers of the cells of a grid's folder, under their digest."""
    np.savez(grid / ASKED.format(asked.digest), names=asked.names, labels=asked.labels)


def save_answers(cell: Path, digest: str, given: Sequence[int]) -> None:
    """Write what a cell answered to the examples of this digest, which lie in the folder above."""
    np.savez(cell / ANSWERS, asked=np.array(digest), given=np.array(given, dtype=np.int32))


def read_answers(cell: Path, result: Result | None = None) -> Answers | None:
    """What a cell answered: of its predictions, or as an archive laid it out; None where it has neither.

    Args:
        result: of the cell, where it is at hand: number and accuracy of the answers must be those in it.

    Raises:
        UnreadableFileError: damaged, or of another result.
    """
    found = read_predictions(cell, result)
    if found is not None:
        return Answers(Asked(found.names, found.labels), found.given)
    path = cell / ANSWERS
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            digest, given = str(stored["asked"]), stored["given"]
        with np.load(cell.parent / ASKED.format(digest), allow_pickle=False) as stored:
            answers = Answers(Asked(stored["names"], stored["labels"]), given)
    except Exception as error:  # zipfile and numpy fail in any way over damaged bytes
        raise UnreadableFileError(path, f"damaged ({in_a_line(error)}); {REPAIR}") from error
    if answers.asked.digest != digest or given.shape != answers.asked.labels.shape or given.dtype.kind not in "iu":
        raise UnreadableFileError(path, f"no answers to the examples that lie beside it; {REPAIR}")
    if result is not None:
        _agrees(path, "examples", len(given), result.metrics.test.n, 0)
        _agrees(path, "accuracy", answers.right.mean(), result.metrics.test.accuracy, 1e-9)
    return answers


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
    arrays, expected = _stored(path, kinds)
    if expected is not None and expected != checksum(arrays):
        raise UnreadableFileError(path, f"not what was written: its checksum differs; {REPAIR}")
    wrong = [name for name, letters in kinds.items() if arrays[name].dtype.kind not in letters or not arrays[name].ndim]
    if wrong:
        raise UnreadableFileError(path, f"{wrong[0]} has type {arrays[wrong[0]].dtype}; {REPAIR}")
    if len({len(array) for array in arrays.values()}) > 1:
        *first, last = kinds
        raise UnreadableFileError(path, f"{', '.join(first)} and {last} differ in number; {REPAIR}")
    return arrays


def _stored(path: Path, names: Iterable[str]) -> tuple[dict[str, np.ndarray], str | None]:
    """Arrays as they lie in a file, and the checksum beside them, which older files lack."""
    try:
        _check_size(path)
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in names}, str(stored[CHECKSUM]) if CHECKSUM in stored else None
    except UnreadableFileError:
        raise
    except Exception as error:  # zipfile and numpy fail in any way over damaged bytes
        raise UnreadableFileError(path, f"damaged ({in_a_line(error)}); {REPAIR}") from error


def _check_size(path: Path) -> None:
    """Before anything is unpacked: a few megabytes can hold gigabytes of zeros."""
    with zipfile.ZipFile(path) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > LARGEST:
        raise UnreadableFileError(path, f"would unpack to {size:,} bytes; predictions have no more than {LARGEST:,}")
