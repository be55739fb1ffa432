"""The Pareto front against brute force."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from reports.figures.pareto import on_front

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=14)  # few, so that many agree


def beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other


@given(POINTS)
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    expected = [not any(beats(other, point) for other in points) for point in points]
    frame = pd.DataFrame([*points, (None, 9)], columns=["cost", "accuracy"])  # one without a cost is not on it
    assert on_front(frame).tolist() == [*expected, False]
