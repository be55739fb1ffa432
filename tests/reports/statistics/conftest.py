"""Statsmodels collects all garbage with each correction for multiple tests: 0.1 s among the objects of a test run."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def quick_collections() -> Iterator[None]:
    gc.freeze()  # what is there already need not be searched again
    yield
    gc.unfreeze()
