"""A grid small enough to run in a test: two arms on 120 short ListOps expressions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.processes import ROOT as ROOT
from tests.processes import Done, run_forked

TINY: dict[str, Any] = {
    "base": "base",
    "arms": ["base", "base+layer_norm"],
    "seeds": [0, 1],
    "model": {"dims": {"d_model": 8, "num_layers": 1, "cluster_size": 4, "seq_len": 16}},
    "data": {
        "task": {
            "name": "listops",
            "min_length": 4,
            "max_length": 16,
            "max_depth": 2,
            "num_train": 120,
            "num_validation": 40,
            "num_test": 40,
        }
    },
    "train": {"epochs": 2, "batch_size": 32, "lr": 0.003},
    "floors": False,
    "latency": None,
}


@pytest.fixture
def tiny_grid(tmp_path: Path) -> Callable[..., Path]:
    """Writes tiny.yaml with the given keys replaced; returns its path."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump({**TINY, **changes}))
        return path

    return write


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests neither read nor fill the user's cache."""
    monkeypatch.setenv("SWARMFORMER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", *map(str, arguments)]


def run_module(*arguments: str | Path) -> Done:
    """Run ``python -m …`` from the repository's root, forked."""
    return run_forked("python", "-m", *arguments)
