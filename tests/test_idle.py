"""Keys that do nothing beside the rest are told, and are none in what is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.plan import load_plan
from swarmformer.sections.train import IDLE
from swarmformer.variants import resolve_run

GRIDS = sorted((Path(__file__).parents[1] / "experiments" / "grids").glob("*.yaml"))
ADVICE = ": set that too, or leave it out"


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({}, []),
        ({"train": {"min_epochs": 3}}, ["train.min_epochs does nothing without train.patience" + ADVICE]),
        ({"train": {"min_epochs": 3, "patience": 2}}, []),
        ({"train": {"ema_warmup": True}}, ["train.ema_warmup does nothing without train.ema_decay" + ADVICE]),
        ({"train": {"ema_warmup": True, "stages": ["masked_tokens", {"name": "supervised", "ema_decay": 0.9}]}}, []),
        (
            {"train": {"stages": ["masked_tokens", {"name": "supervised", "min_epochs": 2}]}},
            ["train.stages.1.min_epochs does nothing without patience in that stage" + ADVICE],
        ),
        ({"train": {"patience": 1, "stages": ["masked_tokens", {"name": "supervised", "min_epochs": 2}]}}, []),
        (
            {"train": {"patience": 1, "stages": [{"name": "supervised", "min_epochs": 2, "patience": 0}]}},
            ["train.stages.0.min_epochs does nothing without patience in that stage" + ADVICE],
        ),
        ({"data": {"cut_share": 0.5}}, ["data.cut_share does nothing unless data.cut is head_tail" + ADVICE]),
        ({"data": {"cut_share": 0.5, "cut": "head_tail"}}, []),
        ({"data": {"buckets": 2, "pad_to_max": True}}, []),  # an arm that pads, in a grid whose others have buckets
    ],
    ids=str,
)
def test_a_key_that_does_nothing_is_told_with_what_it_needs(patch: dict[str, Any], words: list[str]) -> None:
    spec = resolve_run("base", [({"data": {"task": "streams"}}, "test"), (patch, "test")])
    assert list(spec.idle()) == words


@pytest.mark.parametrize("key", IDLE)
def test_what_is_told_of_training_is_what_the_run_key_leaves_out(key: str) -> None:
    default = IDLE[key][0]
    spec = resolve_run("base", [({"data": {"task": "streams"}, "train": {key: default}}, "test")])
    changed = spec.train.model_copy(update={key: type(default)(1)})
    assert list(changed.idle()) and changed.key_content() == spec.train.key_content()


@pytest.mark.parametrize("grid", GRIDS, ids=lambda path: path.stem)
def test_no_arm_that_is_shipped_sets_what_does_nothing(grid: Path) -> None:
    assert {arm.name: arm.spec.idle() for arm in load_plan(grid).arms if arm.spec.idle()} == {}
