"""What a finished run leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from swarmformer.contracts import Metrics
from swarmformer.records import Exercise


@dataclass(frozen=True)
class TrainResult:
    """What a finished run leaves: metrics at the best epoch, test logits, one row per label, in split order, and
    what the components measured of themselves over the validation split. Of predicted tokens there are no logits but
    losses, [N].

    ``test`` and its logits are empty where the data have no test split. ``best_epoch`` counts from 1; ``stopped`` are
    the epochs after which patience ended a stage; ``seconds`` are those of training alone, without validation.
    ``test_readings`` counts how often the test split was read, before the run was stopped and continued too;
    ``published_reading``: see ``train.read_test_each_epoch``. ``out_of_domain``: of the test splits of other tasks, by
    name.
    """

    validation: Metrics
    test: Metrics
    test_logits_NK: Tensor
    best_epoch: int
    epochs: int
    steps: int
    seconds: float
    stopped: tuple[int, ...] = ()
    telemetry: tuple[Exercise, ...] = ()
    test_readings: int = 0
    published_reading: dict[str, float | int] | None = None
    out_of_domain: Mapping[str, Metrics] = field(default_factory=dict)


def readings(tests: Sequence[dict[str, Any]]) -> tuple[int, dict[str, float | int] | None]:
    """How often test was read for the result; and the best of the readings after each epoch.

    Args:
        tests: the curve's lines of the test split.
    """
    each = [line for line in tests if line["kind"] == "test_reading"]
    if not each:
        return len(tests), None
    best = max(each, key=lambda line: line["accuracy"])
    found = {"accuracy": best["accuracy"], "epoch": best["epoch"], "readings": len(each)}
    return len(tests) - len(each), found
