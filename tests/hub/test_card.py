"""What the card of a model says of the texts that it learned from."""

from __future__ import annotations

from typing import Any

import pytest

from swarmformer.data.tasks.digits import Digits
from swarmformer.hub.card import card_of
from swarmformer.records import PLAN, RESULT, Plan, Result, load
from swarmformer.variants import resolve_run
from tests import committed

CHANNEL = {"channel": {"name": "ngrams", "buckets": 64}}


@pytest.mark.parametrize("weigh", [False, True])
def test_weights_that_were_fitted_to_validation_are_told(weigh: bool) -> None:
    demo = committed.runs_of("demo")
    result = load(demo / load(demo / PLAN, Plan).cells[0].cell / RESULT, Result)
    objective: dict[str, Any] = {"name": "cross_entropy", "apart": True, "weigh": weigh}
    settings = {"data": {"task": "digits"}, "model": CHANNEL, "train": {"objective": objective}}
    card = card_of(resolve_run("base", [(settings, "test")], 0), Digits(), result)
    assert "training texts of task `digits` and nothing else" in card
    assert ("two numbers fitted to validation" in card) == weigh
