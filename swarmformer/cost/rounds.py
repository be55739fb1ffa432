"""Calls timed side by side, in rounds of random order, so that a drifting machine hits all alike.

Everything that is compared is timed this way: forward passes, training steps, whole epochs, kernels.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import psutil
import torch

from swarmformer.cost.timing import no_garbage_collection, now_s, seconds
from swarmformer.errors import SpecError

WARM_UP_CALLS = 3
WARM_UP_S = 0.1
"""After the first call, which is never timed, warm-up goes on for so many calls or until so many seconds."""

SETTLE_BELOW_S = 10e-3
"""A call shorter than this is made once untimed before it is timed, so that it finds its weights in
the cache and does not pay for the arm before it. A longer call does not notice."""

Call = Callable[[], object]
Query = Callable[[int], object]
"""A call that is told the number of its round."""
Check = Callable[[str, Any], None]
"""Gets an arm's name and what its first call returned; raises where that is wrong."""


@dataclass(frozen=True)
class Samples:
    """Seconds of every timed call of one arm, round by round: ``seconds[i]`` of two arms belong together.

    ``load_average`` is the machine's one-minute load when the rounds began and when they ended.
    """

    seconds: tuple[float, ...]
    load_average: tuple[float, float]

    @property
    def n(self) -> int:
        return len(self.seconds)

    @property
    def p50(self) -> float:
        return self.percentile(50)

    def percentile(self, q: float) -> float:
        """The q-th percentile, 0 to 100, interpolated between neighbours."""
        return float(np.percentile(self.seconds, q))

    def to_dict(self) -> dict[str, Any]:
        """The columns of ``records.benchmark.Timing``."""
        return {
            "median_s": self.p50,
            **{f"p{q}_s": self.percentile(q) for q in (20, 80, 90, 95)},
            "repeats": self.n,
            "load_average": self.load_average,
        }


@dataclass
class _Arm:
    call: Query
    settle: bool = False
    samples: list[float] = field(default_factory=list)


def time_arms(
    arms: Mapping[str, Call],
    *,
    device: torch.device,
    budget_s: float,
    min_repeats: int = 3,
    max_repeats: int = 100,
    seed: int = 0,
    check: Check = lambda name, result: None,
) -> dict[str, Samples]:
    """Time calls in rounds: each round times every arm once, in a fresh random order.

    Threads, gradient mode and precision are the caller's; garbage is not collected meanwhile.

    Args:
        arms: name → what is timed, from an idle ``device`` to an idle device.
        budget_s: start no round after so many seconds, warm-up included; overrun only to reach ``min_repeats``.
        seed: of the order within the rounds.
        check: is shown what the first call of each arm returned; that call is never timed.

    Raises:
        SpecError: no arms, or numbers of repeats that make no sense.
    """

    def every_round(call: Call) -> Query:
        return lambda number: call()

    queries = {name: every_round(call) for name, call in arms.items()}
    return time_queries(
        queries,
        device=device,
        budget_s=budget_s,
        min_queries=min_repeats,
        max_queries=max_repeats,
        seed=seed,
        check=check,
    )


def time_queries(
    arms: Mapping[str, Query],
    *,
    device: torch.device,
    budget_s: float,
    min_queries: int,
    max_queries: int,
    seed: int = 0,
    check: Check = lambda name, result: None,
) -> dict[str, Samples]:
    """``time_arms`` for calls that differ from round to round: in round i every arm answers query i, from 0 on.

    A short call is settled with the query before; the first query warms up.
    """
    if not arms:
        raise SpecError("nothing to time: no arms")
    if not 1 <= min_queries <= max_queries:
        raise SpecError(f"need 1 ≤ min_repeats ≤ max_repeats, got {min_queries} and {max_queries}")
    order, deadline, before = random.Random(seed), now_s() + budget_s, _load()
    with no_garbage_collection():
        ready = [_warmed_up(name, call, device, check) for name, call in arms.items()]
        _time_rounds(ready, device, order, deadline, min_queries, max_queries)
    load = (before, _load())
    return {name: Samples(tuple(arm.samples), load) for name, arm in zip(arms, ready, strict=True)}


def _load() -> float:
    return round(psutil.getloadavg()[0], 2)


def _warmed_up(name: str, call: Query, device: torch.device, check: Check) -> _Arm:
    """Check what the first call gives, then warm up."""
    end = now_s() + WARM_UP_S
    check(name, call(0))
    arm = _Arm(call)
    for _ in range(WARM_UP_CALLS):
        if now_s() >= end:
            break
        arm.settle = seconds(lambda: call(0), device) < SETTLE_BELOW_S
    return arm


def _time_rounds(
    arms: Sequence[_Arm], device: torch.device, order: random.Random, deadline: float, least: int, most: int
) -> None:
    for done in range(most):
        if done >= least and now_s() >= deadline:
            return
        for arm in order.sample(arms, len(arms)):
            if arm.settle:
                arm.call(max(done - 1, 0))
            arm.samples.append(seconds(partial(arm.call, done), device))
            arm.settle = arm.samples[-1] < SETTLE_BELOW_S
