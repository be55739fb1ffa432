"""Errors that say what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class SwarmformerError(Exception):
    """Base of every error that a user can cause and mend."""


class UsageError(SwarmformerError):
    """A command line that cannot be read."""


class SpecError(SwarmformerError, ValueError):
    """A variant, a grid or an override that cannot be carried out.

    ``path`` is the key at fault where the raiser knew it but not the file it was written in.
    """

    def __init__(self, message: str, path: tuple[str, ...] | None = None) -> None:
        super().__init__(message)
        self.path = path


class ComponentError(SwarmformerError, TypeError):
    """A class that does not keep the contract of its slot."""


class DataError(SwarmformerError, ValueError):
    """Data that is missing, or not what its task says it is."""


class TrainingDivergedError(SwarmformerError, ArithmeticError):
    """The loss or a gradient stopped being finite at optimiser step ``step`` (counted from 1)."""

    def __init__(self, step: int, message: str) -> None:
        super().__init__(message)
        self.step = step


class MemoryExhaustedError(SwarmformerError, MemoryError):
    """A training step that does not fit into memory, however few texts are computed at once."""


class CaptureError(SwarmformerError, RuntimeError):
    """A training step that cannot be recorded as a CUDA graph."""


class InterruptedRunError(Exception):
    """A run was asked to stop; it goes on from its checkpoint at the next start and is no failure."""


def listed(names: Sequence[object], most: int = 6) -> str:
    """``a, b, c and 3 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(map(str, names[:most]))}{more}"


def suggest(wrong: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(wrong, list(known), n=2, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
