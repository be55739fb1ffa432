"""Asking for a back end by name, for a stretch of code or for the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from swarmformer.ops.attention.choice import check_name

_asked: str | None = None


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Every call of ``attend`` meanwhile uses this back end, or raises where it cannot.

    The innermost counts, and goes before ``SWARMFORMER_ATTENTION``. It holds for all threads of the process,
    since a backward pass that computes anew runs in a thread of its own; and a graph that is compiled
    is compiled again where the name has changed.

    Raises:
        AttentionError: unknown name.
    """
    global _asked
    check_name(name, "use_backend")
    before, _asked = _asked, name
    try:
        yield
    finally:
        _asked = before


def asked() -> str | None:
    """The name that ``use_backend`` has set, if any."""
    return _asked
