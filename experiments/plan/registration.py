"""The registered plan: ``registered.json`` says what was planned before the first run, and is not changed afterwards.

``plan`` and ``run`` write it. As long as no cell has started it follows the grid file; from then on it stays as it is,
so that a report can say whether the runs followed it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from swarmformer.code import library_hash
from swarmformer.environment import code_revision
from swarmformer.records import CONFIG, REGISTERED, TRIALS, Registration, load, save

from ..plan import Plan

logger = logging.getLogger("swarmformer.grid")


def register(plan: Plan, folder: Path) -> str:
    """Register a plan in its grid's folder, unless a cell has started there; returns the registered hash.

    Raises:
        UnreadableFileError: a registered.json that cannot be read; it is left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "plan.lock"):
        planned, path = plan.record(folder), folder / REGISTERED
        before = load(path, Registration) if path.exists() else None
        started = has_started(folder)
        if before is not None and before.plan.decides_as(planned) and (started or before.plan.source == planned.source):
            return before.hash
        if before is not None and started:
            logger.warning("runs have started under the plan registered as %s, so the changed plan is not "
                           "registered; reports will say so", before.hash[:12])  # fmt: skip
            return before.hash
        now = datetime.now(UTC).isoformat(timespec="seconds")
        save(path, Registration(hash=planned.hash, registered_at=now, code_revision=code_revision(),
                                code_hash=library_hash(), plan=planned))  # fmt: skip
    return planned.hash


def has_started(folder: Path) -> bool:
    """Whether there is a cell, or a trial: what was chosen by trials cannot be planned anew."""
    return any(any(place.glob(f"*/{CONFIG}")) for place in (folder, folder / TRIALS))
