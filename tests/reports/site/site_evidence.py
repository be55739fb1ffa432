"""A grid with everything that a page can show: predictions, curves, environment, floors, costs, failures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from swarmformer.records import Predictions, save_predictions
from tests.reports import synthetic_curves as curves
from tests.reports import synthetic_runs as runs

HOSTILE = "</script><img src=x onerror=alert(1)>"
ACCURACIES = {"base": {0: 0.5, 1: 0.52}, "base+windowed": {0: 0.61, 1: 0.63}, "base+layer_norm": {0: 0.4}}
NAMES = [f"test/{number}" for number in range(100)]


def write_evidence(folder: Path) -> Path:
    """Two arms of two seeds, one of one seed and a failure; a floor, a ceiling, latencies of two arms."""
    grid = runs.write_grid(folder, ACCURACIES)
    runs.write_cell(grid, runs.failure("base+layer_norm", 1, f"NaN {HOSTILE}"))
    record = runs.floors("majority", f"oracle {HOSTILE}")
    record["floors"][1] |= {"kind": "ceiling", "accuracy": 0.95}
    runs.write(grid / "floors.json", record)
    latencies = [runs.latency("base", 1, 0.010), runs.latency("base+windowed", 1, 0.0095)]
    runs.write(grid / "costs.json", runs.costs(*latencies))
    for arm, seeds in ACCURACIES.items():
        for seed in seeds:
            write_cell_files(grid / runs.cell_name(arm, seed), answers(arm, seed))
    return grid


def labels() -> np.ndarray:
    return np.arange(len(NAMES)) % 3


def answers(arm: str, seed: int) -> np.ndarray:
    """Answers of three classes, as many right as the accuracy says, in places that differ between arms and seeds."""
    places = np.random.default_rng([len(arm), seed]).permutation(len(NAMES))
    right = round(ACCURACIES[arm][seed] * len(NAMES))
    return np.where(np.isin(np.arange(len(NAMES)), places[:right]), labels(), (labels() + 1) % 3)


def write_cell_files(cell: Path, answered: np.ndarray) -> None:
    logits = np.eye(3, dtype="f4")[answered]
    found = Predictions(np.array(NAMES), labels(), logits)
    save_predictions(cell, found)
    record = json.loads((cell / "result.json").read_text())
    record["metrics"]["test"] |= {"loss": found.loss, "n": len(NAMES)}
    runs.write(cell / "result.json", record)
    train = [curves.train_line(step, 2 / step) for step in range(1, 901)]
    curves.write_curve(cell, [*train, curves.validation_line(900, 1, 0.5)])
    runs.write(cell / "environment.json", {"packages": {"torch": "2.13.0"}, "git": {"revision": "abcdef0"}})


def write_texts(path: Path) -> Path:
    lines = [{"name": name, "text": f"text of {name} {HOSTILE}"} for name in NAMES]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def write_hostile(folder: Path) -> Path:
    """A run whose arm, task, device and revision all try to be markup."""
    changes = {"task": HOSTILE, "device": HOSTILE, "code_revision": HOSTILE, "variant": HOSTILE}
    runs.write_cell(folder, runs.result(HOSTILE, 0, 0.4, **changes), folder="one")
    return folder
