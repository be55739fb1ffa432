"""Figures of speed: ratios from planted seconds, limits that stop, and the command from words to files."""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.context import BaseContext
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from experiments import benchmark
from experiments.speed import command, depth, evaluation, figure, measure, prediction, training
from experiments.speed.figure import Arm, Group, Target, arm_row, figure_row, judged, judged_figure
from swarmformer.cost.limits import LimitError
from swarmformer.cost.machine import Limits
from swarmformer.cost.rounds import Samples
from swarmformer.records import SpeedBenchmark, UntimedArm, load
from swarmformer.testing import assert_close
from tests.data.toy_tasks import WORDS

LIMITS = {"fp32": Limits(1e9, 1e9, (8, 8, 8), "ieee"), "bf16": Limits(4e9, 1e9, (8, 8, 8), "bfloat16")}


def nothing() -> None:
    pass


def samples(*seconds: float) -> Samples:
    return Samples(seconds, (0.0, 0.0))


def test_ratio_is_per_text_and_against_the_fastest_reference() -> None:
    arms = {"slow": Arm(nothing, 10), "one text": Arm(nothing, 1), "ours": Arm(nothing, 20)}
    timed = {"slow": samples(20.0, 22.0, 24.0), "one text": samples(1.0, 1.1, 1.2), "ours": samples(8.0, 8.0, 10.0)}
    row = figure_row(Target("f", ("slow", "one text", "not here"), "ours", 2.0, 3.0), arms, timed)
    assert row.reference == "one text"
    assert row.ratio == pytest.approx(1.0 / (8.0 / 20)) and row.reached and row.rounds == 3
    assert (row.ratio_p20, row.ratio_p80) == pytest.approx((2.44, 2.65))  # of 2.4, 2.5 and 2.75, round by round


@pytest.mark.parametrize(("seconds", "reached"), [(4.3, True), (4.5, False)])
def test_growth_is_of_calls_and_must_stay_below(seconds: float, reached: bool) -> None:
    arms = {"short": Arm(nothing, 8), "long": Arm(nothing, 8)}
    figure = Target("growth", ("short",), "long", 4.4, 4.0, growth=True)
    row = figure_row(figure, arms, {"short": samples(1.0), "long": samples(seconds)})
    assert row.ratio == pytest.approx(seconds) and row.reached is reached


def test_a_figure_that_is_missed_says_so() -> None:
    arms = {"published": Arm(nothing, 1), "fast": Arm(nothing, 1)}
    timed = {"published": samples(1.9), "fast": samples(1.0)}
    row = figure_row(Target("f", ("published",), "fast", 2.0, 3.0), arms, timed)
    assert not row.reached


def test_share_of_the_limit_is_that_of_the_precision_and_above_it_is_an_error() -> None:
    fp32, bf16 = Arm(nothing, 1, 5 * 10**8), Arm(nothing, 1, 2 * 10**9, "bf16")
    assert judged(arm_row("group", "a", fp32, samples(1.0)), LIMITS).share_of_limit == pytest.approx(0.5)
    assert judged(arm_row("group", "a", bf16, samples(1.0)), LIMITS).share_of_limit == pytest.approx(0.5)
    assert judged(arm_row("group", "a", Arm(nothing, 1), samples(1.0)), LIMITS).share_of_limit is None
    with pytest.raises(LimitError, match=r"a: 2\.00 times"):
        judged(arm_row("group", "a", fp32, samples(0.25)), LIMITS)


def test_a_wrong_row_is_refused_before_it_is_written() -> None:
    with pytest.raises(ValidationError, match="seconds"):
        arm_row("group", "a", Arm(nothing, 1), samples(1.0, 0.0, 1.0))
    with pytest.raises(ValidationError, match="texts"):
        arm_row("group", "a", Arm(nothing, 0), samples(1.0))
    with pytest.raises(ValidationError, match="ratio"):
        judged_figure(Target("f", (), "ours", 1.0, 1.0), "reference", float("nan"), (None, None), 1)


def tiny(depth: object) -> Group:
    figure = Target("two sums", ("slow",), "quick", 1e-9, 1.0)
    return Group({"slow": Arm(lambda: sum(range(9_000)), 1), "quick": Arm(nothing, 1)}, (figure,), {"third": "absent"})


def test_command_writes_and_refuses_to_overwrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_signals: None
) -> None:
    monkeypatch.setitem(measure.GROUPS, "sums", tiny)
    monkeypatch.setattr(command, "measure_groups", lambda depth, threads, keep, groups: measured(threads, groups))
    words = ["quick", "grid=False", f"runs={tmp_path}", "threads=1", "groups=[sums]"]
    assert benchmark.main([*words, "name=mine"]) == 0
    content = load(tmp_path / "mine" / "figures.json", SpeedBenchmark)
    assert content.figures[0].reached and content.grid is None and content.threads == 1
    assert {row.arm for row in content.arms} == {"slow", "quick"}
    assert UntimedArm(group="sums", arm="third", reason="absent") in content.missing
    assert "two sums" in capsys.readouterr().out
    assert benchmark.main([*words, "name=mine"]) == 1
    assert "holds a measurement already" in capsys.readouterr().err
    assert benchmark.main(words) == 0 and (tmp_path / "quick-1" / "figures.json").exists()


def measured(threads: int, groups: list[str]) -> measure.GroupSpeeds:
    """The one small group, timed in this process, which knows it."""
    assert groups == ["sums"]
    found = measure.measure_group("sums", "quick", threads, keep_memory=False)
    found.limits, found.arms = LIMITS, [judged(row, LIMITS) for row in found.arms]
    return found


def test_groups_are_timed_in_processes_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "GROUPS", {"routing": None})
    monkeypatch.setattr(measure, "_limits", lambda: LIMITS)
    monkeypatch.setattr(measure, "get_context", recorded := Recorded())
    found = measure.measure_groups("quick", 1, keep_memory=False)
    assert recorded.asked == ["spawn"] and [row.arm for row in found.arms] == ["4096 tokens", "16384 tokens"]
    assert found.figures[0].growth and found.limits["fp32"].matmul_flops_per_s == 1e9


class Recorded:
    """``get_context`` that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, method: str) -> BaseContext:
        self.asked.append(method)
        return get_context(method)


def test_without_data_real_texts_are_missing_with_their_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWARMFORMER_DATA", raising=False)
    found = depth.GROUPS["Small, epoch"](depth.DEPTHS["quick"])
    assert not found.arms and "SWARMFORMER_DATA" in found.missing["Small, an epoch"]


def test_a_benchmark_of_what_is_missing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_signals: None
) -> None:
    gap = UntimedArm(group="Small, epoch", arm="real texts", reason="no data")
    found = measure.GroupSpeeds(missing=[gap], limits=LIMITS)
    monkeypatch.setattr(command, "measure_groups", lambda depth, threads, keep, groups: found)
    assert benchmark.main(["quick", "grid=False", f"runs={tmp_path}", "threads=1"]) == 0
    assert "missing: Small, epoch, real texts: no data" in capsys.readouterr().out


def test_an_unknown_key_names_the_nearest(capsys: pytest.CaptureFixture[str], own_signals: None) -> None:
    assert benchmark.main(["full", "thread=1"]) == 1
    assert "threads" in capsys.readouterr().err
    assert benchmark.main(["full", "groups=rooting"]) == 1
    assert "groups: unknown rooting; there are: Base, evaluation" in capsys.readouterr().err


def test_fixed_shapes_agree_and_run() -> None:
    """A text of 768 tokens: the groups check agreement when they are built."""
    for group in (evaluation.group(None, batch=1, more=True), training.fixed_shape(batch=1)):
        for arm in group.arms.values():
            arm.call()
            assert arm.texts == 1 and arm.flops


@pytest.mark.parametrize(("bf16", "kept"), [(2e9, ["fp32"]), (4e11, ["fp32", "bf16"])])
def test_slow_bf16_is_missing_with_both_rates(bf16: float, kept: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure, "product_rates", lambda products, device: {"fp32": 6e10, "bf16": bf16})
    figure.slow_bf16.cache_clear()
    arms = {"fp32": Arm(nothing, 1), "bf16": Arm(nothing, 1, precision="bf16_weights")}
    figures = tuple(Target(name, ("fp32",), name, 1.0, 1.0) for name in arms)
    group = figure.worth_timing(Group(arms, figures, {"third": "absent"}))
    figure.slow_bf16.cache_clear()
    assert [*group.arms] == kept == [each.ours for each in group.figures] and group.missing["third"] == "absent"
    assert ("products run at 2 GFLOP/s, in fp32 at 60" in group.missing.get("bf16", "")) is (len(kept) == 1)


def test_prediction_asks_both_ways_for_the_same_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bert-base-uncased-vocab.txt").write_text("\n".join(WORDS) + "\n")
    monkeypatch.setenv("SWARMFORMER_DATA", str(tmp_path))
    monkeypatch.setattr(prediction, "_reviews", lambda limit, texts: ["a good film .", "", "bad " * 50])
    group = prediction.group(prediction.Size("Tiny", "masked_small", 16, 8, 32), 0, 3)
    script, same, ours = (arm.call() for name, arm in group.arms.items() if "bf16" not in name)
    assert script.shape == (3, 2) and len(same) == len(ours) == 3
    assert_close("logits", script, torch.from_numpy(np.stack(same)), atol=1e-5)
    assert [figure.ours for figure in group.figures] == ["predict", "predict, bf16"]
