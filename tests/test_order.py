"""The order that tests run in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.conftest import spread


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
