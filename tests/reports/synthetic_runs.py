"""Synthetic run folders, written as the experiments write them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reports.study.build import study
from reports.study.model import GridStudy
from swarmformer.records import plan_hash

DATA, CODE, DEVICE = "data-1", "abcdef0", "cpu: Test 9000"
ACCURACIES = {"base": {0: 0.40, 1: 0.42, 2: 0.41}, "x": {0: 0.50, 1: 0.55, 2: 0.51}}
REGISTERED, STARTED = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"


def run_key(arm: str) -> str:
    return hashlib.sha256(arm.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def metrics(accuracy: float, n: int = 2000) -> dict[str, Any]:
    return {"accuracy": accuracy, "precision": 0.5, "recall": 0.6, "f1": 0.55, "loss": 1.25, "n": n}


def result(arm: str, seed: int, accuracy: float, **changes: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "status": "COMPLETED",
        "run_key": run_key(arm),
        "variant": arm,
        "arm": arm,
        "seed": seed,
        "task": "listops",
        "metrics": {"validation": metrics(accuracy + 0.01), "test": metrics(accuracy)},
        "best_epoch": 3,
        "epochs": 4,
        "steps": 400,
        "parameters": {"total": 123456, "without_embedding": 23456},
        "flops": {"forward": 12_345_678, "length": 64},
        "data_key": DATA,
        "truncated": {"train": 0, "validation": 0, "test": 0},
        "code_revision": CODE,
        "device": DEVICE,
        "started_at": STARTED,
        "seconds": {"train": 10.5, "total": 12.25},
        **changes,
    }


def config(arm: str, seed: int, task: str = "listops") -> dict[str, Any]:
    spec = {"model": {}, "data": {"task": {"name": task}}, "train": {}}
    key = run_key(arm)
    return {"schema": 1, "run_key": key, "variant": arm, "arm": arm, "seed": seed, "device": "cpu", "spec": spec}


def failure(arm: str, seed: int, cause: str, step: int | None = 120) -> dict[str, Any]:
    record = {"schema": 1, "status": "FAILED", "run_key": run_key(arm), "variant": arm, "arm": arm, "seed": seed}
    return {**record, "cause": cause, "step": step, "traceback": "Traceback …"}


def plan(arms: Sequence[str], seeds: Sequence[int], base: str | None = "base", grid: str = "demo") -> dict[str, Any]:
    return {
        "schema": 1,
        "grid": grid,
        "base": base,
        "seeds": list(seeds),
        "arms": [
            {
                "arm": arm,
                "variant": arm,
                "run_key": run_key(arm),
                "description": "",
                "parameters": {"total": 123456, "without_embedding": 23456},
                "flops": {"forward": 12_345_678, "length": 64},
            }
            for arm in arms
        ],
        "cells": [
            {"cell": cell_name(arm, seed), "arm": arm, "seed": seed, "run_key": run_key(arm)}
            for seed in seeds
            for arm in arms
        ],
    }


def cell_name(arm: str, seed: int) -> str:
    return f"{arm}-{seed}"


def write(path: Path, record: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def write_registered(grid: Path, record: Mapping[str, Any]) -> None:
    """Write a plan, and its registration a day before the first run."""
    hashed = {**record, "hash": plan_hash(record)}
    write(grid / "plan.json", hashed)
    registration = {"schema": 1, "hash": hashed["hash"], "registered_at": REGISTERED, "code_revision": CODE}
    write(grid / "registered.json", {**registration, "plan": hashed})


def an_epoch(padded: int) -> dict[str, Any]:
    """``epoch_flops`` of a result whose training takes so many FLOPs an epoch, half of them for pads."""
    counts = {"padded": padded, "real": padded // 2, "wasted": 0.5}
    return {"train": {"forward": counts, "training": counts}}


def write_cell(grid: Path, record: Mapping[str, Any], folder: str | None = None) -> Path:
    """Write config.json and the result or failure of one cell; returns the cell's folder."""
    cell = grid / (folder or cell_name(record["arm"], record["seed"]))
    write(cell / "config.json", {**config(record["arm"], record["seed"]), "run_key": record["run_key"]})
    write(cell / ("result.json" if record["status"] == "COMPLETED" else "failure.json"), record)
    return cell


def write_training(cell: Path, train: Mapping[str, Any]) -> None:
    """Have the config.json of a cell say that it was trained so."""
    record = json.loads((cell / "config.json").read_text(encoding="utf-8"))
    write(cell / "config.json", {**record, "spec": {**record["spec"], "train": train}})


def write_grid(grid: Path, accuracies: Mapping[str, Mapping[int, float]], seeds: Sequence[int] = (0, 1)) -> Path:
    """Write a planned grid with these test accuracies by arm and seed; cells not named stay pending."""
    write(grid / "plan.json", plan(list(accuracies), seeds))
    for arm, by_seed in accuracies.items():
        for seed, accuracy in by_seed.items():
            write_cell(grid, result(arm, seed, accuracy))
    return grid


def floors(*names: str, accuracy: float = 0.17, **changes: Any) -> dict[str, Any]:
    rows = [{"name": name, "accuracy": accuracy, "n": 2000, "split": "test", "detail": {"C": 0.3}} for name in names]
    return {"schema": 1, "task": "listops", "data_key": DATA, "floors": rows, **changes}


def latency(arm: str, batch: int, median_s: float = 0.002, **changes: Any) -> dict[str, Any]:
    times = {"median_s": median_s, "p20_s": median_s * 0.9, "p80_s": median_s * 1.2, "p95_s": median_s * 1.5}
    base = {"run_key": run_key(arm), "variant": arm, "batch": batch, "length": 64, **times}
    return {**base, "repeats": 50, "flops": 12_345_678 * batch, "share_of_ceiling": 0.25, **changes}


def costs(*rows: Mapping[str, Any]) -> dict[str, Any]:
    ceilings = {"matmul_flops_per_s": 9.5e10, "copy_bytes_per_s": 1.2e10}
    head = {"schema": 1, "machine": {}, "device": DEVICE, "threads": 2, "ceilings": ceilings}
    return {**head, "rows": list(rows)}


def only(*paths: Path, mix: tuple[str, ...] = ()) -> GridStudy:
    """The study of the one grid and task that is there."""
    (grid,) = study(paths, mix).grids
    return grid
