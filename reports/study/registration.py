"""Whether the runs of a grid followed the plan that was registered before the first: plan.json, registered.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from swarmformer.records import DECIDED, PLAN, REGISTERED, UnreadableFileError, load_json, plan_hash

from ..words import listed, plural
from .read import Grid, Status

UNFINISHED = {
    Status.FAILED: "failed", Status.UNREADABLE: "unreadable", Status.INCOMPLETE: "not finished",
    Status.PENDING: "not started",
}  # fmt: skip


@dataclass(frozen=True)
class Followed:
    """What a report says about one grid: how it was registered, and every way in which it was not kept to."""

    registered: str
    deviations: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """One line: what was registered, and that the runs followed it; or the deviations."""
        if not self.deviations:
            return self.registered
        return f"{self.registered} Deviations: {'; '.join(self.deviations)}."


def followed(grid: Grid) -> Followed:
    """Hold a grid's plan and runs against its registration."""
    found = grid.registration
    if found is None and (grid.folder / REGISTERED).exists():
        return Followed(f"Grid {grid.name}: {REGISTERED} cannot be read.", ("nothing could be checked",))
    if found is None:
        return Followed(f"Grid {grid.name}: not registered before its runs.")
    primary = found.plan.primary
    decides = f"{primary.metric}, margin ±{primary.margin_points:g} points" if primary else "none named"
    said = (
        f"Grid {grid.name}: registered {found.registered_at} at code {found.code_revision}, hash {found.hash[:12]}, "
        f"{len(found.plan.cells)} runs; primary metric: {decides}."
    )
    deviations = (*_changed(grid), *_late(grid), *_cells(grid))
    return Followed(said if deviations else f"{said} The runs followed it.", deviations)


def _changed(grid: Grid) -> Iterator[str]:
    assert grid.registration is not None
    registered = _raw(grid.folder / REGISTERED).get("plan") or {}
    if plan_hash(registered) != grid.registration.hash:
        yield f"the hash in {REGISTERED} is not that of the plan in it, which was changed afterwards"
    now = _raw(grid.folder / PLAN)
    if not now:
        yield f"there is no readable {PLAN}"
        return
    keys = [key for key in DECIDED if now.get(key) != registered.get(key)]
    if keys and not (grid.plan and grid.plan.decides_as(grid.registration.plan)):
        yield f"{PLAN} differs from the registered plan in {', '.join(keys)}"
    if now.get("hash") != plan_hash(now):
        yield f"the hash in {PLAN} is not that of its content"


def _raw(path: Path) -> dict[str, Any]:
    """The JSON of a file that has been read already, or is listed as unreadable."""
    try:
        return load_json(path)
    except UnreadableFileError:
        return {}


def _late(grid: Grid) -> Iterator[str]:
    assert grid.registration is not None
    registered = _time(grid.registration.registered_at)
    if registered is None:
        yield f"{REGISTERED} does not say when: {grid.registration.registered_at!r} is no time"
        return
    starts = [_time(cell.result.started_at) for cell in grid.cells if cell.result is not None]
    known = [start for start in starts if start is not None]
    if len(known) < len(starts):
        yield f"{plural(len(starts) - len(known), 'run')} of {len(starts)} without the time of its start"
    early = [start for start in known if start < registered]
    if early:
        yield f"registered after {len(early)} of {len(starts)} runs had started, the first {min(early).isoformat()}"


def _time(text: str) -> datetime | None:
    """ISO 8601, where a time without a zone is UTC; None where it is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _cells(grid: Grid) -> Iterator[str]:
    """Runs that are missing, failed, unreadable, of another configuration, or were not planned.

    Counted where another warning names them: unfinished runs, and those that the plan does not have.
    """
    assert grid.registration is not None
    cells = [cell for cell in grid.cells if cell.arm is not None]
    counts = {word: sum(cell.status is status for cell in cells) for status, word in UNFINISHED.items()}
    counts["run, but not planned"] = len(grid.unplanned)
    yield from (f"{word}: {plural(count, 'run')}" for word, count in counts.items() if count)
    planned = {(cell.arm, cell.seed): cell for cell in grid.registration.plan.cells}
    now = {(cell.arm, cell.seed) for cell in grid.plan.cells} if grid.plan else set(planned)
    results = [(cell.where, cell.result) for cell in grid.cells if cell.result is not None]
    done = [(where, (result.arm, result.seed), result) for where, result in results]
    yield from _listed(f"registered, but not in {PLAN}", [cell.cell for key, cell in planned.items() if key not in now])
    extra = [where for where, key, _ in done if key not in planned]
    yield from _listed("run, but not registered", extra)
    other = [where for where, key, result in done if key in planned and planned[key].run_key != result.run_key]
    yield from _listed("run with another configuration (run key) than registered", other)


def _listed(word: str, names: Sequence[str]) -> list[str]:
    return [f"{word}: {listed(names)}"] if names else []
