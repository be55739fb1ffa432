"""The order that tests run in, and where."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import spread, wants_gpu


def test_what_waits_is_spread_and_nothing_is_lost_or_turned_round() -> None:
    def item(name: str, waits: bool) -> Any:
        return SimpleNamespace(name=name, get_closest_marker=lambda marker: waits and marker == "waits")

    items = [item(f"w{place}", True) for place in range(4)] + [item(f"o{place}", False) for place in range(12)]
    names = [one.name for one in spread(items)]
    assert [name for name in names if name[0] == "w"] == ["w0", "w1", "w2", "w3"]
    assert [name for name in names if name[0] == "o"] == [f"o{place}" for place in range(12)]
    assert [names.index(f"w{place}") for place in range(4)] == [0, 4, 8, 12]
    alone = [item("only", False)]
    assert spread(alone) == alone


@pytest.mark.parametrize(
    ("markexpr", "wanted"),
    [("not slow", False), ("slow", False), ("not gpu", False), ("gpu", True), ("gpu or slow", True)],
)
def test_a_card_is_hidden_unless_it_is_asked_for(markexpr: str, wanted: bool, request: pytest.FixtureRequest) -> None:
    assert wants_gpu(markexpr) is wanted
    assert wants_gpu(request.config.option.markexpr) or os.environ["CUDA_VISIBLE_DEVICES"] == ""
