"""Fixtures that many tests share."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator, Sequence

import pytest

from experiments.execute import local
from swarmformer import registry
from tests.processes import PRELOADED

local.PRELOADED = (PRELOADED,)  # whichever test starts the fork server, all can use it


def wants_gpu(markexpr: str) -> bool:
    """Whether tests that need a card were asked for, as with ``-m gpu``."""
    return "gpu" in markexpr.replace("not gpu", "")


def pytest_configure(config: pytest.Config) -> None:
    """Hide the cards unless they are asked for, from CUDA, which has not been asked yet, and from all that tests start.

    The suite is about the CPU: it holds runs against each other bit for bit, which no card promises.
    """
    if not wants_gpu(config.option.markexpr):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a card unless it is asked for: hundreds of skips hide those that matter."""
    if not wants_gpu(config.option.markexpr):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("gpu")])
        items[:] = [item for item in items if not item.get_closest_marker("gpu")]
    items[:] = spread(items)


def spread(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """What waits, evenly: pytest-xdist deals runs of neighbours, and one process would get all the waiting."""
    waiting = [item for item in items if item.get_closest_marker("waits")]
    others = [item for item in items if not item.get_closest_marker("waits")]
    placed = [(place / max(len(waiting), 1), item) for place, item in enumerate(waiting)]
    placed += [(place / max(len(others), 1), item) for place, item in enumerate(others)]
    return [item for _, item in sorted(placed, key=lambda pair: pair[0])]


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
