"""What ``time_arms`` adds to the behaviour that test_latency.py checks through models."""

from __future__ import annotations

import gc
import statistics

import pytest

from swarmformer.cost.probe import OutputError
from swarmformer.cost.rounds import SETTLE_BELOW_S, time_arms

LONG = 2 * SETTLE_BELOW_S


def test_rounds_belong_together(clock, cpu):
    """Two arms on a machine whose speed changes from round to round: the ratio is that of the work."""
    rounds = []

    def arm(work):
        def call():
            rounds.append(work)
            clock.advance(LONG * work * (1 + len(rounds) // 2 % 7))

        return call

    found = time_arms({"one": arm(1), "three": arm(3)}, device=cpu, budget_s=1e9, max_repeats=20)
    assert found["one"].n == found["three"].n == 20
    ratios = [three / one for one, three in zip(found["one"].seconds, found["three"].seconds, strict=True)]
    assert statistics.median(ratios) == pytest.approx(3.0, rel=0.35)
    assert max(found["one"].seconds) > 3 * min(found["one"].seconds)


def test_any_call_is_timed_and_its_first_result_checked(clock, cpu):
    calls, shown = [], []

    def call():
        calls.append(gc.isenabled())
        clock.advance(LONG)
        return len(calls)

    found = time_arms(
        {"a": call}, device=cpu, budget_s=0.0, min_repeats=4, check=lambda name, result: shown.append((name, result))
    )
    assert shown == [("a", 1)]
    assert found["a"].seconds == pytest.approx([LONG] * 4)
    assert not any(calls) and gc.isenabled()


def test_a_wrong_result_stops_before_anything_is_timed(cpu):
    calls = []

    def refuse(name, result):
        raise OutputError(f"{name} gave {result}")

    with pytest.raises(OutputError, match="a gave None"):
        time_arms({"a": lambda: calls.append(1)}, device=cpu, budget_s=1.0, check=refuse)
    assert calls == [1] and gc.isenabled()


def test_load_of_the_machine_at_both_ends(clock, cpu, monkeypatch):
    loads = iter([0.5, 3.25])
    monkeypatch.setattr("psutil.getloadavg", lambda: (next(loads), 9.0, 9.0))
    found = time_arms({"a": lambda: clock.advance(LONG)}, device=cpu, budget_s=0.1)
    assert found["a"].load_average == found["a"].to_dict()["load_average"] == (0.5, 3.25)
