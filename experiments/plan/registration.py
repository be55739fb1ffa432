"""The registered plan: ``registered.json`` says what was planned before the first run, and is not changed afterwards.

``plan`` and ``run`` write it. As long as no cell has started it follows the grid file; from then on it stays as it is,
so that a report can say whether the runs followed it. Seeds that are added later to every arm are registered beside it,
in ``extended.json``, as long as no run of them has started; until one has, they may be others, or be taken back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from swarmformer.code import library_hash
from swarmformer.environment import code_revision
from swarmformer.records import (
    CONFIG,
    EXTENDED,
    REGISTERED,
    TRIALS,
    Config,
    Extensions,
    Registration,
    UnreadableFileError,
    load,
    save,
)
from swarmformer.records import Plan as PlanRecord

from ..plan import Plan

logger = logging.getLogger("swarmformer.grid")


def register(plan: Plan, folder: Path) -> str:
    """Register a plan in its grid's folder, unless a cell has started there; returns the hash that is registered.

    Once cells have started, a plan that only gives every arm further seeds is registered as an extension.

    Raises:
        UnreadableFileError: a registered.json or an extended.json that cannot be read; it is left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "plan.lock"):
        planned, path = plan.record(folder), folder / REGISTERED
        if not path.exists():
            return _saved(path, planned)
        known, begun = registrations(folder), set(_begun(folder))
        last, started = known[-1], has_started(folder)
        if last.plan.decides_as(planned) and (started or last.plan.source == planned.source):
            return last.hash
        if not started:
            (folder / EXTENDED).unlink(missing_ok=True)
            return _saved(path, planned)
        kept = _fitting(known, planned, begun)
        if kept and kept[-1].plan.decides_as(planned):
            _save_later(folder, kept[1:])
            logger.info("seeds of which no run has started are no longer registered")
            return kept[-1].hash
        if kept:
            seeds = sorted({*planned.seeds} - {*kept[-1].plan.seeds})
            _save_later(folder, [*kept[1:], _registration(planned)])
            logger.info("registered %s beside the runs that have started", f"seeds {', '.join(map(str, seeds))}")
            return planned.hash
        logger.warning("runs have started under the plan registered as %s, so the changed plan is not "
                       "registered; reports will say so", last.hash[:12])  # fmt: skip
        return last.hash


def _fitting(known: list[Registration], planned: PlanRecord, begun: set[int]) -> list[Registration]:
    """The registrations that a plan repeats or extends: all, or all but the last ones, whose seeds have no run yet;
    none where it does neither."""
    for count in range(len(known), 0, -1):
        before = known[count - 1].plan
        if before.decides_as(planned) or (planned.extends(before) and not ({*planned.seeds} - {*before.seeds}) & begun):
            return known[:count]
        if count > 1 and ({*before.seeds} - {*known[count - 2].plan.seeds}) & begun:
            break
    return []


def _save_later(folder: Path, later: list[Registration]) -> None:
    if later:
        save(folder / EXTENDED, Extensions(registrations=tuple(later)))
    else:
        (folder / EXTENDED).unlink(missing_ok=True)


def registrations(folder: Path) -> list[Registration]:
    """The plan that was registered first, then each with further seeds.

    Raises:
        UnreadableFileError: one of the files cannot be read.
    """
    extended = folder / EXTENDED
    later = load(extended, Extensions).registrations if extended.exists() else ()
    return [load(folder / REGISTERED, Registration), *later]


def has_started(folder: Path) -> bool:
    """Whether there is a cell, or a trial: what was chosen by trials cannot be planned anew."""
    return any(any(place.glob(f"*/{CONFIG}")) for place in (folder, folder / TRIALS))


def _begun(folder: Path) -> Iterator[int]:
    """Seeds of the cells that have started, of those whose configuration can be read."""
    for path in folder.glob(f"*/{CONFIG}"):
        try:
            yield load(path, Config).seed
        except UnreadableFileError:
            continue


def _saved(path: Path, planned: PlanRecord) -> str:
    save(path, _registration(planned))
    return planned.hash


def _registration(planned: PlanRecord) -> Registration:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Registration(hash=planned.hash, registered_at=now, code_revision=code_revision(), code_hash=library_hash(),
                        plan=planned)  # fmt: skip
