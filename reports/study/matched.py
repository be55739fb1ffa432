"""Matched pairs of a plan, held against their tolerance with what the runs say of size and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from swarmformer.records import Matched, Result

from .read import Grid

SIZES: Mapping[str, Callable[[Result], int]] = {
    "parameters": lambda result: result.parameters.without_embedding,
    "flops": lambda result: result.flops.forward,
}
"""As plans match them: parameters without the embedding table, FLOPs of a forward pass of one example."""


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
        pair = f"Matched pair {asked.arm} and {asked.control}, {asked.quantity} within {asked.tolerance:.1%}"
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
    ours, theirs = (_results(grid, name) for name in (asked.arm, asked.control))
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        return Pair(asked, None, 0)
    values = [[_value(asked, found[key]) for key in shared] for found in (ours, theirs)]
    arm, control = (median(of_arm) for of_arm in values)
    return Pair(asked, arm / control if control else None, len(shared))


def _results(grid: Grid, arm: str) -> dict[tuple[int, str], Result]:
    results = [cell.result for cell in grid.cells if cell.result is not None and cell.arm == arm]
    return {(result.seed, result.device): result for result in results}


def _value(asked: Matched, result: Result) -> float:
    return SIZES[asked.quantity](result) if asked.quantity in SIZES else result.seconds.train
