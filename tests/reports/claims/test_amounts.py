"""Bounds that rounding leaves, through four operations, against ends worked out by hand."""

from __future__ import annotations

import pytest

from reports.claims.amounts import Amount, above, agrees, at_most, below, combine

TEN = Amount(10.0, 9.5, 10.5, ("document#ten",))
TWO = Amount.exact(2.0, "file.json")


@pytest.mark.parametrize(
    ("operation", "value", "low", "high"),
    [("sum", 12, 11.5, 12.5), ("difference", 8, 7.5, 8.5), ("product", 20, 19, 21), ("ratio", 5, 4.75, 5.25)],
)
def test_bounds_are_carried_along(operation: str, value: float, low: float, high: float) -> None:
    found = combine(operation, [TEN, TWO])
    assert (found.value, found.low, found.high) == (value, low, high)
    assert found.sources == ("document#ten", "file.json")


def test_a_divisor_turns_the_bounds_round() -> None:
    found = combine("ratio", [TWO, TEN])
    assert (found.low, found.high) == (pytest.approx(2 / 10.5), pytest.approx(2 / 9.5))
    assert combine("difference", [TWO, TEN, TEN]).low == 2 - 10.5 - 10.5
    with pytest.raises(ZeroDivisionError):
        combine("ratio", [TWO, Amount.exact(0)])


def test_what_rounding_leaves_open_is_open() -> None:
    assert above(TEN, Amount.exact(9)) is True and above(TEN, Amount.exact(11)) is False
    assert above(TEN, Amount.exact(10)) is None and at_most(TEN, Amount.exact(10)) is None
    assert below(TEN, Amount.exact(11)) is True and at_most(TEN, Amount.exact(9)) is False
    assert at_most(TWO, TWO) is True and below(TWO, TWO) is False and above(TWO, TWO) is False
    assert agrees(TEN, Amount.exact(10.5)) and not agrees(TEN, Amount.exact(10.6))


def test_an_estimate_without_bounds_proves_nothing() -> None:
    found = Amount.between(0.5, None, None)
    assert below(found, Amount.exact(1)) is None and above(found, Amount.exact(0)) is None
    assert below(Amount.between(0.5, 0.4, 0.6), Amount.exact(1)) is True


def test_amounts_are_printed() -> None:
    texts = (f"{Amount.exact(0.1236):percent}", f"{Amount.exact(1234567):si}", f"{Amount.exact(0.87):.0%}")
    assert texts == ("12.36", "1.23 M", "87 %")
    assert f"{Amount.exact(1234):,}" == "1,234"
