"""What a precision costs in accuracy: ``python -m experiments.speed.accuracy CELL --out accuracy.json``.

CELL is the folder of a finished run that kept its weights (``experiments.train`` does). Its test split is evaluated
in fp32, in bf16 autocast and with weights in bf16, all on the fast path, and in fp32 on the plain one.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swarmformer import hub
from swarmformer.cli.command import CommandParser, exit_status, words_of
from swarmformer.contracts import Model
from swarmformer.data.batching import Batches
from swarmformer.environment import code_revision, device_name
from swarmformer.ops.switch import use_fast
from swarmformer.records import AccuracyByPrecision, WayToEvaluate, save
from swarmformer.spec import RunSpec
from swarmformer.training.evaluate import predict

from ..cells import load_config
from ..data import load_data

CPU = torch.device("cpu")


def measure(cell: Path) -> AccuracyByPrecision:
    """One row a way to evaluate: accuracy, how many answers differ from plain fp32, and seconds.

    Raises:
        SwarmformerError: the folder holds no finished run with its weights.
    """
    arm, spec = load_config(cell)
    model, batches = hub.load_model(cell / "model"), _test_split(spec)
    rounded = copy.deepcopy(model).to(torch.bfloat16)
    ways: dict[str, tuple[Model, str, bool]] = {
        "plain, fp32": (model, "fp32", False),
        "fast, fp32": (model, "fp32", True),
        "fast, bf16": (model, "bf16", True),
        "fast, bf16 weights": (rounded, "fp32", True),
    }
    rows: list[WayToEvaluate] = []
    expected: Tensor | None = None
    for name, (judged, precision, fast) in ways.items():
        logits_MK, seconds = _timed(judged, batches, precision, fast)
        expected = logits_MK if expected is None else expected
        rows.append(WayToEvaluate(way=name, **_row(logits_MK, expected, batches), seconds=seconds))
    return AccuracyByPrecision(
        arm=arm, run_key=spec.run_key, device=device_name(CPU), code_revision=code_revision(), rows=tuple(rows)
    )


def _test_split(spec: RunSpec) -> Batches:
    data = load_data(spec)
    return Batches(
        data.splits["test"], batch_size=spec.train.eval_batch_size, lengths=spec.padded_lengths,
        pad_id=data.pad_id, seed=None,
    )  # fmt: skip


def _timed(model: Model, batches: Batches, precision: str, fast: bool) -> tuple[Tensor, float]:
    started = time.monotonic()
    with nullcontext() if fast else use_fast(False):
        logits_MK = predict(model, batches, CPU, precision)
    return logits_MK, time.monotonic() - started


def _row(logits_MK: Tensor, expected_MK: Tensor, batches: Batches) -> dict[str, Any]:
    labels_M = torch.from_numpy(batches.split.labels.copy())
    return {
        "accuracy": float((logits_MK.argmax(dim=1) == labels_M).double().mean()),
        "answers": len(labels_M),
        "other_answers": int((logits_MK.argmax(dim=1) != expected_MK.argmax(dim=1)).sum()),
        "greatest_difference": float((logits_MK - expected_MK).abs().max()),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: measure, write, print."""
    parser = CommandParser(prog="python -m experiments.speed.accuracy", description=__doc__)
    parser.add_argument("cell", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    return exit_status(lambda: _write(parser.parse_args(words_of(arguments))))


def _write(options: argparse.Namespace) -> None:
    found = measure(options.cell)
    save(options.out, found)
    for row in found.rows:
        shown = f"{100 * row.accuracy:.3f} %  {row.other_answers} other answers  {row.seconds:.1f} s"
        print(f"{row.way:20} {shown}")


if __name__ == "__main__":
    sys.exit(main())
