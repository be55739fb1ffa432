"""Work that many arms of one plan share, done once: files are parsed, sections checked and models built by content.

Nothing is kept beyond the ``with``, so that a file, a plug-in or a version that changes is seen the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
_kept: ContextVar[dict[Hashable, Any] | None] = ContextVar("kept", default=None)


@contextmanager
def once() -> Iterator[None]:
    """Meanwhile, what is ``kept_by`` its arguments works once for each of them; inner uses join the outer."""
    if _kept.get() is not None:
        yield
        return
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def kept_by(key: Callable[P, Hashable]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Within ``once``, calls with the same ``key`` give the very same object, which nobody may change.

    An error is not kept. Elsewhere every call works anew.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            kept = _kept.get()
            if kept is None:
                return function(*args, **kwargs)
            place = (function, key(*args, **kwargs))
            if place not in kept:
                kept[place] = function(*args, **kwargs)
            result: R = kept[place]
            return result

        return wrapped

    return wrap
