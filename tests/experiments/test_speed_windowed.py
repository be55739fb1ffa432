"""The arms of windowed attention agree before they are timed, and one that cannot run is named."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from experiments.speed import windowed
from swarmformer.ops.attention import recording
from swarmformer.testing import ViolationError

SIZE = {"batch": 2, "length": 72, "d_model": 16, "heads": 2, "window": 8}


def test_every_arm_gives_the_same_of_the_texts_it_takes() -> None:
    built = windowed.group(**SIZE)
    assert set(built.arms) | set(built.missing) == {"attend", "chunks", "local-attention", "dense mask"}
    expected = built.arms["attend"].call()
    for name, arm in built.arms.items():
        assert arm.texts == (1 if name == "dense mask" else 2)
        found = arm.call()
        for part in ("out", "gradient"):
            torch.testing.assert_close(found[part], expected[part][: arm.texts], atol=1e-4, rtol=1e-4)


def test_the_arm_of_the_model_is_what_a_cpu_is_given() -> None:
    built = windowed.group(**SIZE)
    with recording() as used:
        built.arms["attend"].call()
        built.arms["chunks"].call()
    assert [row["backend"] for row in used.rows()] == ["banded", "sdpa"]


def test_an_arm_that_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = windowed._dense
    monkeypatch.setattr(windowed, "_dense", lambda length, window: right(length, window + 1))
    with pytest.raises(ViolationError, match="dense mask, out"):
        windowed.group(**SIZE)


def test_a_package_that_is_not_installed_is_named_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    built = windowed.group(**SIZE)
    assert "local-attention" not in built.arms
    assert built.missing == {"local-attention": windowed.MISSING}


def test_a_length_that_not_every_arm_can_take_is_refused() -> None:
    with pytest.raises(ValueError, match="length = 70 is not a multiple of window = 8"):
        windowed.group(**{**SIZE, "length": 70})
