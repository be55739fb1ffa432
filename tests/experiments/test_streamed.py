"""``experiments.scaling with piece=…``: rows by length that outlive a stop, and the measurement of one row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments import scaling
from experiments.measure import streamed_rows
from swarmformer.cost import streamed
from swarmformer.cost.machine import Limits
from swarmformer.cost.memory import TooLargeError
from swarmformer.cost.streamed import StreamOrder
from swarmformer.records import ScalingCosts, load
from swarmformer.variants import load_variant

SIZES = {"vocab_size": 40, "d_model": 16, "seq_len": 16, "num_layers": 1}
SMALL = [f"model.dims.{key}={value}" for key, value in SIZES.items()]
WORDS = ["variants=base+hierarchical", "piece=64", "min_repeats=2", "budget_s=0.2", *SMALL]


@pytest.fixture(autouse=True)
def no_limits_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed_rows, "limits_for", lambda *given: Limits(1e15, 1e15, (1, 1, 1), "ieee"))


def row_of(order: StreamOrder, timeout_s: float) -> dict[str, Any]:
    call = 1e-4 * order.length
    return {"seconds": [call, 2 * call], "cpu_s": [call, call], "load_average": [0.5, 1.5], "method": "VmHWM",
            "peak_bytes": 2**20 + order.length, "growth_bytes": order.length}  # fmt: skip


def test_rows_are_kept_as_they_come(
    tmp_path: Path, own_signals: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []

    def measure(order: StreamOrder, timeout_s: float) -> dict[str, Any]:
        asked.append(order.length)
        if order.length == 4096 and asked.count(4096) == 1:
            raise KeyboardInterrupt
        if order.length == 65536:
            raise TooLargeError("needs more memory than 1.0 GiB")
        return row_of(order, timeout_s)

    monkeypatch.setattr(streamed_rows, "measure_streamed", measure)
    words = ["with", *WORDS, "lengths=[65536,10000000,256,4096]", f"runs={tmp_path}"]
    assert scaling.main(words) != 0 and not (tmp_path / "scaling" / "costs.json").exists()
    assert scaling.main(words) == 0
    assert asked == [256, 4096, 4096, 65536], "the cheapest first, and none that is done again"
    costs = load(tmp_path / "scaling" / "costs.json", ScalingCosts)
    assert [row.length for row in costs.rows] == [256, 4096] and costs.growth[0].memory.value == pytest.approx(1)
    assert costs.rows[0].tokens_per_s == pytest.approx(1 / 1.5e-4) and costs.rows[0].piece == 64
    assert costs.rows[1].cpu_us_per_token == pytest.approx(100)
    large, slow = costs.missing
    assert (large.length, large.reason) == (65536, "needs more memory than 1.0 GiB")
    assert slow.length == 10**7 and "one call would take about 1,000 s, by its FLOPs and the" in slow.reason
    assert "CPU µs a token" in capsys.readouterr().out
    assert scaling.main(words) == 1 and "holds a measurement already" in capsys.readouterr().err


def test_another_order_or_a_damaged_row_is_measured_again(
    tmp_path: Path, own_signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed_rows, "measure_streamed", row_of)
    path = tmp_path / "rows" / "x.json"
    path.parent.mkdir()
    assert streamed_rows._kept(path, "a") is None
    path.write_text('{"asked": "a", "row": {"seconds": [1]}}')
    assert streamed_rows._kept(path, "a") == {"seconds": [1]} and streamed_rows._kept(path, "b") is None
    path.write_text('{"asked": "a", "ro')
    assert streamed_rows._kept(path, "a") is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mode=training"], "read with mode=forward alone"),
        (["precision=bf16"], "read with precision=fp32 alone"),
        (["piece=-1"], "greater than or equal to 0"),
    ],
)
def test_what_pieces_do_not_have_is_refused(
    words: list[str], message: str, tmp_path: Path, own_signals: None, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {word.partition("=")[0]: word for word in (*WORDS, "lengths=[64,128]", f"runs={tmp_path}", *words)}
    assert scaling.main(["with", *given.values()]) == 1
    assert message in capsys.readouterr().err


def test_a_variant_that_cannot_be_cut_is_missing_with_its_reason(
    tmp_path: Path, own_signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed_rows, "measure_streamed", row_of)
    words = ["variants=[base,base+positions]", "piece=64", "lengths=[64,128]", "budget_s=0.2", f"runs={tmp_path}"]
    assert scaling.main(["with", *words, *SMALL]) == 0
    gaps = load(tmp_path / "scaling" / "costs.json", ScalingCosts).missing
    assert {gap.reason for gap in gaps} == {"embedding.token_position needs the whole text"}


def order(**changes: Any) -> StreamOrder:
    spec = load_variant("base+hierarchical", [({"model": {"dims": SIZES}}, "test")]).model_spec()
    usual = {"model": spec.to_dict(), "length": 300, "batch": 1, "piece": 64, "device": "cpu", "threads": 1,
             "budget_s": 0.0, "min_repeats": 2, "seed": 0, "limit_bytes": None}  # fmt: skip
    return StreamOrder(**{**usual, **changes})


def test_a_row_has_every_call_and_the_peak() -> None:
    row = streamed._measure(order())
    assert len(row["seconds"]) == len(row["cpu_s"]) == 2 and min(row["seconds"]) > 0
    assert row["peak_bytes"] > row["growth_bytes"] >= 0


@pytest.mark.slow
@pytest.mark.waits
def test_a_row_of_a_fresh_process_and_its_limit() -> None:
    """20,000 tokens of width 16 are 1.3 MB of states; the process takes little more, and not half as much."""
    row = streamed.measure_streamed(order(length=200_000, piece=256), 300)
    assert 200_000 * 16 * 4 < row["growth_bytes"] < 4 * 200_000 * 16 * 4
    with pytest.raises(TooLargeError, match="needs more memory"):
        streamed.measure_streamed(order(length=2_000_000, piece=256, limit_bytes=32 * 2**20), 300)
    with pytest.raises(TooLargeError, match="not done within"):
        streamed.measure_streamed(order(), 0.01)
