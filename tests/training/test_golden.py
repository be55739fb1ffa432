"""Runs give what they gave when their training was one piece of code: losses, norms, validations, test logits."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from swarmformer.training import loop
from tests.training import golden


def recorded_run(name: str) -> dict[str, Any]:
    return json.loads(golden.FILE.read_text())[name]


@pytest.mark.parametrize("name", golden.CASES)
def test_a_run_gives_what_it_gave(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same random stream: were one number drawn more or less, dropout would give something else altogether.

    Equal bit by bit on one machine; the tolerance is for processors that add in another order.
    """
    monkeypatch.setattr(loop, "LOG_STEPS", 1)
    given, recorded = golden.run(name), recorded_run(name)
    tolerance = 2e-2 if "bf16" in name else 1e-4
    curve = [line for line in given["curve"] if line["kind"] != "test"]  # which was not written then
    assert [line.keys() for line in curve] == [line.keys() for line in recorded["curve"]]
    for now, then in zip(curve, recorded["curve"], strict=True):
        assert now.pop("kind") == then.pop("kind")
        assert now == pytest.approx(then, rel=tolerance, abs=tolerance)
    logits, expected = torch.tensor(given["logits"]), torch.tensor(recorded["logits"])
    assert torch.allclose(logits, expected, rtol=tolerance, atol=tolerance)
