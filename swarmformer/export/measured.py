"""What an export is judged by, beside the model: differences, accuracy, speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
import torch

from swarmformer.cost.rounds import time_arms
from swarmformer.errors import SpecError
from swarmformer.export.check import ACCURACY, TOLERANCE, Checker, Rows
from swarmformer.export.formats import Run

MODEL, EXPORTED, FP32 = "model", "exported", "exported, fp32"
"""Arms: the model as it was, what is exported, and beside int8 the same graph before."""
TIMED, BUDGET_S, REPEATS = (1, 32), 3.0, 50
"""Batch sizes that are timed, seconds for each, and calls at most."""


def differences(checker: Checker, run: Run, rows: Rows, *, exact: bool) -> dict[str, dict[str, Any]]:
    """On random tokens and on texts, as ``Compared``.

    Raises:
        SpecError: ``exact``, and more than rounding.
    """
    asked = {"random tokens": checker.random_rows(), "texts": rows}
    found = {what: asdict(checker.compare(run, some)) for what, some in asked.items() if len(some)}
    worst = max(max(one["difference"], one["by_padding"]) for one in found.values())
    if exact and not worst <= TOLERANCE:
        raise SpecError(f"the export differs from the model by {worst:.2g}, more than {TOLERANCE:g}: nothing written")
    return found


def accuracy(checker: Checker, runs: Mapping[str, Run], rows: Rows, labels_N: np.ndarray) -> dict[str, Any]:
    """Of each arm.

    Raises:
        SpecError: what is exported loses more than ``ACCURACY``.
    """
    shares: dict[str, float] = {}
    for name, run in runs.items():
        answers_N = np.array([logits.argmax() for logits in checker.answers(run, rows)])
        shares[name] = float((answers_N == labels_N).mean())
    if shares[EXPORTED] < shares[MODEL] - ACCURACY:
        raise SpecError(
            f"accuracy on {len(labels_N):,} texts falls from {shares[MODEL]:.4f} to {shares[EXPORTED]:.4f}, more than "
            f"{100 * ACCURACY:g} points: nothing written"
        )
    return {"texts": len(labels_N), **shares}


def speed(checker: Checker, runs: Mapping[str, Run]) -> list[dict[str, Any]]:
    """Of texts of the greatest length, arms side by side in random order; rows of seconds, as JSON has them."""
    dims, rng, found = checker.model.dims, np.random.default_rng(0), []
    for batch in TIMED:
        ids_BN = rng.integers(0, dims.vocab_size, (batch, dims.seq_len))
        arms: dict[str, Callable[[], object]] = {
            name: partial(run, ids_BN, np.ones_like(ids_BN)) for name, run in runs.items()
        }
        taken = time_arms(arms, device=torch.device("cpu"), budget_s=BUDGET_S, max_repeats=REPEATS)
        same = {"batch": batch, "length": dims.seq_len}
        found += [
            {**same, "arm": name, **samples.to_dict(), "load_average": [*samples.load_average]}
            for name, samples in taken.items()
        ]
    return found


def versions() -> dict[str, str]:
    """Of what can change an export."""
    found = {}
    for name in ("swarmformer", "torch", "onnx", "onnxscript", "onnxruntime"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
