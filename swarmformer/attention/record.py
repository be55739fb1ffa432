"""Which back ends were used, for which kind of call, and why: logged once, kept for the run's files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from swarmformer.attention.choice import Choice
from swarmformer.attention.request import Request

logger = logging.getLogger("swarmformer.attention")

Uses = dict[tuple[Request, Choice], None]
"""A dictionary for its order."""
_recorders: list[Uses] = [{}]


class Recording:
    """What was used since it began."""

    def __init__(self, uses: Uses) -> None:
        self._uses = uses

    def rows(self) -> list[dict[str, str]]:
        """JSON rows with ``kind``, ``backend`` and ``reason``, in the order of first use."""
        rows = {(request.kind, choice.backend): choice.reason for request, choice in list(self._uses)}
        return [{"kind": kind, "backend": backend, "reason": reason} for (kind, backend), reason in rows.items()]


@contextmanager
def recording() -> Iterator[Recording]:
    """Record what is used meanwhile; every kind of call is logged anew."""
    uses: Uses = {}
    _recorders.append(uses)
    try:
        yield Recording(uses)
    finally:
        _recorders[:] = [recorder for recorder in _recorders if recorder is not uses]


def backends_used() -> list[dict[str, str]]:
    """JSON rows of everything used since the process began; see ``Recording.rows``."""
    return Recording(_recorders[0]).rows()


def note(request: Request, choice: Choice) -> None:
    """Write down a use, and log it where the innermost recording has not seen its like."""
    use = (request, choice)
    if use not in _recorders[-1]:
        logger.info("attention (%s): %s, %s", request.kind, choice.backend, choice.reason)
    for uses in _recorders:
        uses[use] = None
