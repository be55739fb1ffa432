"""Points that lie upon each other, moved apart sideways so that each can be seen."""

from __future__ import annotations

from collections.abc import Sequence

Place = Sequence[float]  # across, up


def clear(places: Sequence[Place], gap: float, left: float, right: float) -> list[float]:
    """Where each point stands sideways once those nearer than ``gap`` (in both directions) are ``gap`` apart.

    Points that no other touches stay. A group stays between ``left`` and ``right``, closer together where it must.
    """
    new = [float(place[0]) for place in places]
    for group in _groups(places, gap):
        if len(group) > 1:
            step = min(gap, (right - left) / (len(group) - 1))
            moved = apart([new[index] for index in group], step)
            shift = max(left - min(moved), 0.0) + min(right - max(moved), 0.0)
            for index, place in zip(group, moved, strict=True):
                new[index] = place + shift
    return new


def _groups(places: Sequence[Place], gap: float) -> list[list[int]]:
    """Points that touch, directly or through others."""
    groups: list[list[int]] = []
    for index, place in enumerate(places):
        touched = [group for group in groups if any(_touch(places[other], place, gap) for other in group)]
        groups = [group for group in groups if group not in touched]
        groups.append(sorted([index, *(other for group in touched for other in group)]))
    return groups


def _touch(one: Place, other: Place, gap: float) -> bool:
    return abs(one[0] - other[0]) < gap and abs(one[1] - other[1]) < gap


def apart(places: Sequence[float], gap: float) -> list[float]:
    """Places moved as little as it takes for neighbours to be ``gap`` apart, in their order.

    Those that crowd are spread about their mean: least squares under that constraint (pool adjacent violators).
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    pools: list[tuple[float, int]] = []  # mean of (place − rank · gap), and of how many
    for rank, index in enumerate(order):
        mean, count = places[index] - rank * gap, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        pools.append((mean, count))
    starts = [mean for mean, count in pools for _ in range(count)]
    moved = [start + rank * gap for rank, start in enumerate(starts)]
    return [moved[order.index(index)] for index in range(len(places))]
