"""The Pareto front of arms: more of the value costs more."""

from __future__ import annotations

from collections.abc import Sequence


def on_front(costs: Sequence[float], values: Sequence[float]) -> list[bool]:
    """Which points no other point beats: none costs at most as much and is worth at least as much, one of it strictly.

    Points that agree in both are on the front together.
    """
    order = sorted(range(len(costs)), key=lambda index: (costs[index], -values[index]))
    found = [False] * len(costs)
    best: tuple[float, float] | None = None
    for index in order:
        point = (costs[index], values[index])
        if best is None or point[1] > best[1]:
            best = point
        found[index] = point == best
    return found
