"""Whether the runs of a grid followed the plan that was registered before the first: plan.json, registered.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from swarmformer.errors import listed
from swarmformer.records import (
    DECIDED,
    EXTENDED,
    PLAN,
    REGISTERED,
    TUNED,
    Matched,
    Registration,
    Result,
    UnreadableFileError,
    load_json,
    plan_hash,
)  # fmt: skip

from ..words import plural
from .grid import Grid, Status
from .tuning import tuning_deviations

UNFINISHED = {
    Status.FAILED: "failed", Status.UNREADABLE: "unreadable", Status.INCOMPLETE: "not finished",
    Status.PENDING: "not started",
}  # fmt: skip


@dataclass(frozen=True)
class Followed:
    """How a grid was registered, in a sentence, and every way in which that was not kept to.

    unfinished: runs that are not there; they bias nothing that is, and decide nothing. changed: all that leaves open
    whether the plan, its margin with it, was fixed before the runs. unregistered: why nothing of the grid decides;
    empty where its plan was registered before its runs and is what was run.
    """

    said: str
    unfinished: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unregistered: str = ""

    @property
    def deviations(self) -> tuple[str, ...]:
        return (*self.unfinished, *self.changed)


def followed(grid: Grid) -> Followed:
    """Hold a grid's plan and runs against its registration."""
    registration = grid.registration
    if registration is None and (grid.folder / REGISTERED).exists():
        unreadable = f"{REGISTERED} cannot be read"
        return Followed(f"Grid {grid.name}: {unreadable}.", (), ("nothing could be checked",), unreadable)
    if registration is None:
        not_registered = "not registered before its runs"
        return Followed(f"Grid {grid.name}: {not_registered}.", unregistered=not_registered)
    primary = registration.plan.primary
    decides = f"{primary.metric}, margin ±{primary.margin_points:g} points" if primary else "none named"
    said = (
        f"Grid {grid.name}: registered {registration.registered_at} at code {registration.code_revision}, hash "
        f"{registration.hash[:12]}, {len(registration.plan.cells)} runs; primary metric: {decides}."
    )
    registered = _in_force(grid)
    said = " ".join((said, *_extended(grid, registered)))
    changed = tuple(word for part in (_changed, _late, _unlike) for word in part(grid, *registered))
    changed += tuple(tuning_deviations(grid))
    unfinished = tuple(_unfinished(grid))
    said = said if changed or unfinished else f"{said} The runs followed it."
    return Followed(said, unfinished, changed, "; ".join(changed))


def _in_force(grid: Grid) -> tuple[Registration, ...]:
    """The registrations without the last ones whose seeds were never planned nor run: such seeds may be taken back."""
    kept = grid.registrations
    while len(kept) > 1 and grid.plan and not grid.unplanned and not {*grid.plan.seeds} & (
        {*kept[-1].plan.seeds} - {*kept[-2].plan.seeds}
    ):
        kept = kept[:-1]
    return kept


def looks_at(grid: Grid) -> tuple[frozenset[int], ...]:
    """For each time that seeds were added: the seeds of the runs that had started, of which something could be seen."""
    return tuple(frozenset(run.seed for run in _begun_before(grid, later)) for later in _in_force(grid)[1:])


def _begun_before(grid: Grid, registration: Registration) -> list[Result]:
    at = _time(registration.registered_at)
    results = [cell.result for cell in grid.cells if cell.result]
    return [result for result in results if at and (_time(result.started_at) or at) < at]


def _extended(grid: Grid, registered: Sequence[Registration]) -> Iterator[str]:
    """Seeds that were added, and what could have been seen when they were."""
    for before, after in pairwise(registered):
        seeds = [str(seed) for seed in after.plan.seeds if seed not in before.plan.seeds]
        seen = len(_begun_before(grid, after))
        allowed = (
            "p and intervals allow for a look at those runs, by tests of each side that has two seeds or more; the "
            "smallest effect that is found does not"
        )
        yield (
            f"Registered later, {after.registered_at}, after {plural(seen, 'run')} of it had started: "
            f"seed{'s' * (len(seeds) > 1)} {listed(seeds)}{f'; {allowed}' if seen else ''}."
        )
    if taken_back := grid.registrations[len(registered) :]:
        gone = sorted({*taken_back[-1].plan.seeds} - {*registered[-1].plan.seeds})
        yield f"Registered later, but neither planned any more nor run: {plural(len(gone), 'seed')}, {listed(gone)}."


def _changed(grid: Grid, *registered: Registration) -> Iterator[str]:
    first, later = _raw(grid.folder / REGISTERED), _raw(grid.folder / EXTENDED).get("registrations") or []
    later = later[: len(registered) - 1]
    files = (REGISTERED, *(EXTENDED for _ in later))
    for name, raw, known in zip(files, (first, *later), registered, strict=True):
        if plan_hash(raw.get("plan") or {}) != known.hash:
            yield f"the hash in {name} is not that of the plan in it, which was changed afterwards"
    for before, after in pairwise(registered):
        if not after.plan.extends(before.plan):
            yield f"{EXTENDED} changes more than seeds"
    yield from _other_plan(grid, ((later or [first])[-1]).get("plan") or {}, registered[-1])


def _other_plan(grid: Grid, registered: Mapping[str, Any], registration: Registration) -> Iterator[str]:
    """``registered``: the JSON of the plan that was registered last."""
    now = _raw(grid.folder / PLAN)
    if not now:
        yield f"there is no readable {PLAN}"
        return
    keys = [key for key in (*DECIDED, TUNED) if now.get(key) != registered.get(key)]
    if keys and not (grid.plan and grid.plan.decides_as(registration.plan)):
        yield f"{PLAN} differs from the registered plan in {', '.join(keys)}"
    if now.get("hash") != plan_hash(now):
        yield f"the hash in {PLAN} is not that of its content"


def _raw(path: Path) -> dict[str, Any]:
    """The JSON of a file that has been read already, or is listed as unreadable."""
    try:
        return load_json(path)
    except UnreadableFileError:
        return {}


def _late(grid: Grid, *registered: Registration) -> Iterator[str]:
    """Each run against the first registration that has its seed."""
    results = [cell.result for cell in grid.cells if cell.result is not None]
    unknown = sum(_time(result.started_at) is None for result in results)
    if unknown:
        yield f"{plural(unknown, 'run')} of {len(results)} without the time of its start"
    before = set[int]()
    for one in registered:
        own, at = {*one.plan.seeds} - before, _time(one.registered_at)
        before |= own
        if at is None:
            yield f"a registration does not say when: {one.registered_at!r} is no time"
            continue
        runs = [result for result in results if result.seed in own]
        starts = [_time(run.started_at) for run in runs if one.hash not in run.registered]  # else it was there already
        early = [start for start in starts if start is not None and start < at]
        if early:
            yield f"registered after {len(early)} of {len(runs)} runs had started, the first {min(early).isoformat()}"


def _time(text: str) -> datetime | None:
    """ISO 8601, where a time without a zone is UTC; None where it is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _unfinished(grid: Grid) -> Iterator[str]:
    """Runs that are missing, failed or unreadable, and those that the plan does not have, which are left out: counted,
    as another warning names them."""
    cells = [cell for cell in grid.cells if cell.arm is not None]
    counts = {word: sum(cell.status is status for cell in cells) for status, word in UNFINISHED.items()}
    counts["run, but not planned"] = len(grid.unplanned)
    yield from (f"{word}: {plural(count, 'run')}" for word, count in counts.items() if count)


def _unlike(grid: Grid, *registered: Registration) -> Iterator[str]:
    """Runs of another configuration than registered, that were not registered, or are no longer planned."""
    cells = [cell for cell in grid.cells if cell.arm is not None]
    planned = {(cell.arm, cell.seed): cell for cell in registered[-1].plan.cells}
    now = {(cell.arm, cell.seed) for cell in grid.plan.cells} if grid.plan else set(planned)
    done = [(cell.where, (cell.result.arm, cell.result.seed), cell.result.run_key) for cell in cells if cell.result]
    named = {
        f"registered, but not in {PLAN}": [cell.cell for key, cell in planned.items() if key not in now],
        "run, but not registered": [where for where, key, _ in done if key not in planned],
        "run with another configuration (run key) than registered": [
            where for where, key, run_key in done if key in planned and planned[key].run_key != run_key
        ],
    }
    yield from (f"{word}: {listed(names)}" for word, names in named.items() if names)


QUANTITIES: Mapping[str, Callable[[Result], float]] = {
    "parameters": lambda result: result.parameters.without_embedding,
    "flops": lambda result: result.flops.forward,
    "seconds": lambda result: result.seconds.train,
}
"""As plans match them: parameters without the embedding table, FLOPs of a forward pass of one example, training."""


@dataclass(frozen=True)
class Pair:
    """A pair as found; ``ratio`` is arm over control, None where a run of either is missing."""

    asked: Matched
    ratio: float | None
    runs: int

    @property
    def holds(self) -> bool | None:
        """Whether the pair is within its tolerance; None where nothing can be said."""
        return None if self.ratio is None else abs(self.ratio - 1) <= self.asked.tolerance

    @property
    def words(self) -> str:
        asked = self.asked
        pair = f"Matched pair {asked.arm} and {asked.control}, {asked.quantity} within {100 * asked.tolerance:.1f} %"
        if self.ratio is None:
            return f"{pair}: not known, as no seed of both was run on one device."
        verdict = "matched" if self.holds else "not matched"
        return f"{pair}: {verdict}, {self.ratio:.3f} ({self.runs} of each)."


def matched_pairs(grid: Grid) -> list[Pair]:
    """Every matched pair of the plan (the registered one where there is one).

    Seconds are medians of training over the seeds that both arms ran on the same device; sizes are those of the same
    runs.
    """
    plan = grid.registration.plan if grid.registration else grid.plan
    return [_pair(grid, asked) for asked in plan.matched] if plan else []


def _pair(grid: Grid, asked: Matched) -> Pair:
    ours, theirs = (
        {(cell.result.seed, cell.result.device): QUANTITIES[asked.quantity](cell.result)
         for cell in grid.cells if cell.result is not None and cell.arm == name}
        for name in (asked.arm, asked.control)
    )  # fmt: skip
    shared = ours.keys() & theirs.keys()
    if not shared:
        return Pair(asked, None, 0)
    arm, control = (median(values[key] for key in shared) for values in (ours, theirs))
    return Pair(asked, arm / control if control else None, len(shared))
