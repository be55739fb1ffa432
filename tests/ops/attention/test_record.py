"""What was used is logged once and kept; tracing does not hide it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import torch

from swarmformer.ops.attention import recording, use_backend
from tests.helpers import assert_close
from tests.ops.attention.calls import Call, make

EMPTY = torch.tensor([[True, False, True, True, False, False, True], [False] * 7])


@pytest.fixture
def fresh_tracer() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def test_each_kind_of_call_is_recorded_once_with_its_reason() -> None:
    with recording() as outer:
        for _ in range(3):
            make(N=3).attend()
            make(N=5).attend()
        with use_backend("plain"), recording() as inner:
            make(window=2, mask=EMPTY, bias=True).learned().attend(dropout_p=0.1)
    full = {
        "kind": "full; cpu float32, heads of 8",
        "backend": "sdpa",
        "reason": "fused attention takes every call without a window",
    }
    windowed = {
        "kind": "window 2, mask, bias, dropout, gradient; cpu float32, heads of 8",
        "backend": "plain",
        "reason": "asked for by use_backend",
    }
    assert outer.rows() == [full, windowed]
    assert inner.rows() == [windowed]
    make(E=4).attend()
    assert len(outer.rows()) == 2, "a recording that has ended takes no more"


def test_each_kind_of_call_is_logged_once_per_recording(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="swarmformer.ops.attention")
    for _ in range(2):
        with recording():
            for _ in range(3):
                make().attend()
    make(E=12).attend()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2, "a call outside of a run, as planning makes some, is of no interest"
    assert lines[0].startswith("attention (full; cpu float32, heads of 8): sdpa, ")


@pytest.mark.usefixtures("fresh_tracer")
@pytest.mark.parametrize(
    "call",
    [make(), make(mask=EMPTY, signal=True), make(window=3, mask=EMPTY, bias=True), make(window=16)],
    ids=["full", "masked", "windowed", "wide"],
)
def test_compiles_into_one_graph_and_follows_an_override(call: Call) -> None:
    call = call.learned()
    compiled = torch.compile(lambda: call.attend(), fullgraph=True, backend="aot_eager")
    with recording() as used:
        assert_close("traced", call.attend(), compiled(), atol=1e-6)
        with use_backend("plain"):
            assert_close("traced anew", call.attend(), compiled(), atol=1e-6)
        assert_close("and back", call.attend(), compiled(), atol=1e-6)
    traced = [row["backend"] for row in used.rows() if "compiling" in row["kind"]]
    assert traced == ["sdpa", "plain"]
