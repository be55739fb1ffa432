"""Where an error came from, for those who wrote what raised it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from swarmformer.errors import SpecError
from swarmformer.records.base import in_a_line

LIBRARY, TORCH = Path(__file__).parent, Path(torch.__file__).parent


@contextmanager
def told_at(*path: str) -> Iterator[None]:
    """Turns what a constructor refuses by ValueError, and whatever goes wrong in one that is not of this library, into
    SpecError with the path of its key. The path of a SpecError is below this one, unless it begins in the same section.
    """
    try:
        yield
    except ValueError as error:
        key = (error.path or ()) if isinstance(error, SpecError) else ()
        raise SpecError(str(error), path=key if key[:1] == path[:1] else (*path, *key)) from error
    except Exception as error:
        if is_own(frame_of(error)):
            raise
        raise SpecError(f"cannot be built: {with_place(error)}", path=path) from error


def frame_of(error: Exception) -> traceback.FrameSummary:
    """The last one outside of torch."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not Path(frame.filename).is_relative_to(TORCH)][-1]


def is_own(frame: traceback.FrameSummary) -> bool:
    """Whether it is of this library."""
    return Path(frame.filename).is_relative_to(LIBRARY)


def with_place(error: Exception) -> str:
    """``KeyError: 'c' (mine.py, line 11, in __init__)``"""
    frame = frame_of(error)
    place = f"{Path(frame.filename).name}, line {frame.lineno}, in {frame.name}"
    return f"{type(error).__name__}: {in_a_line(error)} ({place})"
