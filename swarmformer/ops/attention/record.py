"""Which back ends were used, for which kind of call, and why: logged once, kept for the run's files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from swarmformer.ops.attention.choice import Choice
from swarmformer.ops.attention.request import Request

logger = logging.getLogger("swarmformer.ops.attention")


@dataclass(frozen=True, eq=False)
class Use:
    """One kind of call and who took it. Compared by identity, for speed: one object for one decision."""

    request: Request
    choice: Choice


Uses = dict[Use, None]
"""A dictionary for its order."""
_recorders: list[Uses] = [{}]


class Recording:
    """What was used since it began."""

    def __init__(self, uses: Uses) -> None:
        self._uses = uses

    def rows(self) -> list[dict[str, str]]:
        """JSON rows with ``kind``, ``backend`` and ``reason``, in the order of first use."""
        rows = dict.fromkeys((use.request.kind, use.choice.backend, use.choice.reason) for use in list(self._uses))
        return [{"kind": kind, "backend": backend, "reason": reason} for kind, backend, reason in rows]


@contextmanager
def recording() -> Iterator[Recording]:
    """Record what is used meanwhile; every kind of call is logged anew."""
    uses: Uses = {}
    _recorders.append(uses)
    try:
        yield Recording(uses)
    finally:
        _recorders[:] = [recorder for recorder in _recorders if recorder is not uses]


@contextmanager
def unrecorded() -> Iterator[None]:
    """Keep what is used meanwhile out of every recording: of measurements, which are no part of a run."""
    before = list(_recorders)
    _recorders[:] = [{}]
    try:
        yield
    finally:
        _recorders[:] = before


def note(use: Use) -> None:
    """Write down a use, and log it where the innermost recording has not seen it; the others have what that has."""
    if use in _recorders[-1]:
        return
    level = logging.INFO if len(_recorders) > 1 and use.request.device != "meta" else logging.DEBUG  # of a run alone
    logger.log(level, "attention (%s): %s, %s", use.request.kind, use.choice.backend, use.choice.reason)
    for uses in _recorders:
        uses[use] = None
