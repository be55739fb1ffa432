"""What was tried for each arm before the seeds that count: the choice, whether it lies at an edge, how flat it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarmformer import records
from swarmformer.errors import listed
from swarmformer.records import REGISTERED, TRIAL, TRIALS, TUNING, Tried, TunedArm, UnreadableFileError, Value

from ..words import percent, plural
from .grid import Cell, Grid

WORST = 0.0
"""What a trial counts that failed: no accuracy is worse."""


@dataclass(frozen=True)
class Neighbour:
    """A combination that differs from the chosen one in one option, by one step. ``loss`` of score; None: it failed."""

    option: str
    value: Value
    loss: float | None


@dataclass(frozen=True)
class Tuned:
    """The trials of an arm.

    chosen: None where every trial failed. edges: options whose chosen value is the lowest or the highest tried →
    ``lowest`` or ``highest``. expected: of the best of k trials, k = 1 … n, a failed one counted as ``WORST``.
    """

    arm: str
    tried: tuple[Tried, ...]
    chosen: Tried | None
    tied: int
    edges: Mapping[str, str]
    neighbours: tuple[Neighbour, ...]
    expected: tuple[float, ...]

    @property
    def edge_words(self) -> str:
        """``train.lr 0.004 is the highest tried``; empty where the choice lies within."""
        values = self.chosen.values if self.chosen else {}
        return ", ".join(f"{option} {values[option]} is the {which} tried" for option, which in self.edges.items())


def tuned_arms(grid: Grid) -> tuple[Tuned, ...]:
    return tuple(_tuned(arm, grid.tuning) for arm in grid.tuning.arms) if grid.tuning else ()


def _tuned(arm: TunedArm, tuning: records.Tuning) -> Tuned:
    chosen = None if arm.chosen is None else arm.tried[arm.chosen]
    scores = [WORST if tried.score is None else tried.score for tried in arm.tried]
    return Tuned(
        arm=arm.arm,
        tried=arm.tried,
        chosen=chosen,
        tied=len(arm.tied),
        edges=_edges(chosen, tuning.options) if chosen else {},
        neighbours=tuple(_neighbours(chosen, arm.tried, tuning.options)) if chosen else (),
        expected=tuple(expected_maximum(scores)),
    )


def _numbers(values: Sequence[Value]) -> list[Value]:
    """Values in rising order where all are numbers; none where they are names or switches, which have no edge."""
    is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return sorted(values, key=float) if is_number else []


def _edges(chosen: Tried, options: Mapping[str, Sequence[Value]]) -> dict[str, str]:
    edges: dict[str, str] = {}
    for option, values in options.items():
        if numbers := _numbers(values):
            which = {numbers[0]: "lowest", numbers[-1]: "highest"}.get(chosen.values[option])
            edges |= {option: which} if which else {}
    return edges


def _neighbours(chosen: Tried, tried: Sequence[Tried], options: Mapping[str, Sequence[Value]]) -> Iterator[Neighbour]:
    """One step down and up in each option that is a number, every other value of one that is not."""
    assert chosen.score is not None, "what failed is never chosen"
    for option, values in options.items():
        numbers, mine = _numbers(values), chosen.values[option]
        place = numbers.index(mine) if numbers else 0
        steps = numbers[max(0, place - 1) : place] + numbers[place + 1 : place + 2] if numbers else values
        for value in (value for value in steps if value != mine):
            other = next(one for one in tried if one.values == {**chosen.values, option: value})
            yield Neighbour(option, value, None if other.score is None else chosen.score - other.score)


def tuning_notes(tuned: Sequence[Tuned], grid: Grid) -> Iterator[str]:
    """Under every table of the grid: how its arms were tuned, and which choice lies at the edge of its range."""
    if not grid.tuning:
        return
    tried = "; ".join(f"{option} {', '.join(map(str, values))}" for option, values in grid.tuning.options.items())
    seeds = ", ".join(map(str, grid.tuning.seeds))
    yield (f"Tuned for every arm alike before the seeds that count, by validation alone, with seeds of their own "
           f"({seeds}): {tried}.")  # fmt: skip
    yield from _short_trials(grid)
    if edges := [f"{one.arm} ({one.edge_words})" for one in tuned if one.edges]:
        yield f"Chosen at the edge of its range, so that a better value may lie beyond: {'; '.join(edges)}."
    if failed := [one.arm for one in tuned if one.chosen is None]:
        yield f"Every trial failed, so that nothing was chosen: {listed(failed)}."


def _short_trials(grid: Grid) -> Iterator[str]:
    """Where trials had fewer epochs than the runs that count."""
    tuning = grid.plan.tuning if grid.plan else None
    if tuning is None or tuning.epochs is None:
        return
    trained = [_last_epochs(cell.train) for cell in grid.cells if cell.result]
    if (longest := max(trained, default=0)) > tuning.epochs:
        yield (f"Trials had {plural(tuning.epochs, 'epoch')}, the runs that count up to {longest}: a rate that suits "
               "few epochs may be too high for more.")  # fmt: skip


def _last_epochs(train: Mapping[str, Any]) -> int:
    """Of the last stage, as planned; 0 where the record does not say, or where steps are counted instead."""
    stage = next(iter((train.get("stages") or [])[-1:]), None)
    last = {**train, **(stage if isinstance(stage, Mapping) else {})}
    return 0 if last.get("max_steps") else int(last.get("epochs", 0))


def untuned_notes(cells: Sequence[Cell]) -> Iterator[str]:
    """Where a grid without tuning compares arms at learning rates that were not looked for."""
    rates = {cell.arm: cell.rate for cell in cells if cell.arm is not None and cell.result and cell.rate is not None}
    by_rate: dict[float, list[str]] = {}
    for arm, rate in rates.items():
        by_rate.setdefault(rate, []).append(str(arm))
    shared = {rate: arms for rate, arms in by_rate.items() if len(arms) > 1}
    if shared:
        said = "; ".join(f"{rate:g}: {f'all {len(arms)} arms' if len(arms) == len(rates) else listed(arms)}"
                         for rate, arms in sorted(shared.items()))  # fmt: skip
        yield f"Not tuned: arms share a learning rate that was not chosen for each of them ({said})."


def tuning_deviations(grid: Grid) -> Iterator[str]:
    """How the choice was not that of the registered trials by the rule."""
    plan, tuning = grid.registration.plan if grid.registration else None, grid.tuning
    if plan is None or (plan.tuning is None and tuning is None):
        return
    if tuning is None:
        if any(cell.result for cell in grid.cells):
            yield f"there are runs, but no {TUNING} that says how their values were chosen"
        return
    if not records.is_of_plan(tuning, plan):
        yield f"the trials in {TUNING} are not those in {REGISTERED}"
    for arm in tuning.arms:
        if records.choose(arm.tried)[0] != arm.chosen:
            yield f"the choice for {arm.arm} is not the one that its trials give"
    changed = [score.cell for arm in tuning.arms for tried in arm.tried for score in tried.trials
               if not _as_run(grid, tuning, score)]  # fmt: skip
    if changed:
        yield f"{TUNING} has other scores than the trials: {listed(changed)}"


def _as_run(grid: Grid, tuning: records.Tuning, score: records.TrialScore) -> bool:
    """Whether a score is that of the trial's own file, where it is kept."""
    path = grid.folder / TRIALS / score.cell / TRIAL
    if not path.exists():
        return True
    try:
        return bool(getattr(records.load(path, records.Trial).validation, tuning.metric) == score.score)
    except UnreadableFileError:
        return False


def loss_words(neighbour: Neighbour) -> str:
    """``−0.40 at train.lr 0.001``"""
    lost = "failed" if neighbour.loss is None else percent(-neighbour.loss, "+")
    return f"{lost} at {neighbour.option} {neighbour.value}"


def expected_maximum(scores: Sequence[float]) -> list[float]:
    """Mean of the maximum of k draws with replacement from these scores, for k from 1 to their number n (Dodge et al.,
    EMNLP 2019, equation 4).

    Closed form over the empirical distribution: with v₁ ≤ … ≤ vₙ, P(max ≤ vᵢ) = (i/n)ᵏ, so that the mean is
    Σ vᵢ ((i/n)ᵏ − ((i−1)/n)ᵏ). As draws may repeat, it stays below the best score at k = n.
    """
    ordered, n = sorted(scores), len(scores)
    return [
        sum(value * ((place / n) ** k - ((place - 1) / n) ** k) for place, value in enumerate(ordered, 1))
        for k in range(1, n + 1)
    ]
