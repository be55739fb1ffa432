"""Fixtures that many tests share."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator

import pytest

from experiments.execute import local
from swarmformer import registry
from tests.processes import PRELOADED

local.PRELOADED = (PRELOADED,)  # whichever test starts the fork server, all can use it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread what waits evenly: pytest-xdist deals runs of neighbours, and one process would get all the waiting."""
    waiting = [item for item in items if item.get_closest_marker("waits")]
    others = [item for item in items if not item.get_closest_marker("waits")]
    placed = [(place / max(len(waiting), 1), item) for place, item in enumerate(waiting)]
    placed += [(place / max(len(others), 1), item) for place, item in enumerate(others)]
    items[:] = [item for _, item in sorted(placed, key=lambda pair: pair[0])]


def pytest_collection_finish() -> None:
    """What was imported stays: a measurement collects garbage first, and would walk through all of it each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Registrations and plug-ins of a test end with it."""
    registry.load_builtins()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    registry._plugins.cache_clear()
    yield
    registry._plugins.cache_clear()


@pytest.fixture
def own_signals() -> Iterator[None]:
    """What a command does to SIGTERM and SIGINT ends with the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
