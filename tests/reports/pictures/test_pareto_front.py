"""The Pareto front against brute force, and markers that are moved apart."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.pictures.front import on_front
from reports.pictures.overlap import apart, clear

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=14)  # few values, so that many agree


def beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other


@given(POINTS)
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    expected = [not any(beats(other, point) for other in points) for point in points]
    assert on_front([cost for cost, _ in points], [value for _, value in points]) == expected


@given(st.lists(st.floats(-100, 100), max_size=12), st.floats(0.1, 10))
def test_crowded_places_end_up_a_gap_apart_in_their_order(places: list[float], gap: float) -> None:
    moved = apart(places, gap)
    order = sorted(range(len(places)), key=lambda index: places[index])
    ascending = [moved[index] for index in order]
    assert all(b - a >= gap - 1e-9 for a, b in itertools.pairwise(ascending))
    assert sum(moved) == pytest.approx(sum(places), abs=1e-6)  # about their mean: nothing drifts


def test_only_markers_that_touch_are_moved_and_none_over_the_edge() -> None:
    places = [(10.0, 50.0), (11.0, 50.0), (11.0, 90.0), (40.0, 50.0), (99.0, 10.0), (100.0, 10.0)]
    moved = clear(places, 5, 0, 100)
    assert moved[:4] == [8.0, 13.0, 11.0, 40.0]
    assert moved[4:] == [95.0, 100.0]
