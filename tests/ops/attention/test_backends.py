"""The back ends that run on a CPU: plain against the definition, the others against plain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from torch.nn import functional as F
from torch.nn.attention import flex_attention as flex_module

from swarmformer.ops.attention import AttentionError, attend, flex, use_backend
from swarmformer.ops.attention import sdpa as sdpa_module
from tests.helpers import assert_close
from tests.ops.attention.calls import Call, by_hand, calls, make

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 0.04, torch.float16: 5e-3}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
WINDOWED = pytest.mark.parametrize("backend", ["plain", "sdpa", "banded"])
EACH = pytest.mark.parametrize(
    ("backend", "window"), [("plain", None), ("sdpa", None), ("plain", 3), ("sdpa", 3), ("banded", 3)]
)
EMPTY = torch.tensor([[True, False, True, True, False, False, True], [False] * 7])


@pytest.fixture(scope="module")
def uncompiled_flex() -> Iterator[None]:
    """flex_attention without its kernel: the same functions of mask and score, on whole matrices, in no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flex_module, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)
        patch.setattr(flex, "_compiled", lambda: flex_module.flex_attention)
        yield


@settings(max_examples=40, deadline=None)
@given(call=calls())
def test_plain_is_the_definition(call: Call) -> None:
    with use_backend("plain"):
        assert_close("out", by_hand(call), call.attend(), atol=1e-5)


@settings(max_examples=150, deadline=None)
@given(call=calls())
def test_sdpa_agrees_with_plain(call: Call) -> None:
    with use_backend("plain"):
        expected = call.attend()
    with use_backend("sdpa"):
        assert_close("out", expected, call.attend(), atol=1e-5)


@settings(max_examples=80, deadline=None)
@given(call=calls())
def test_gradients_of_sdpa_agree_with_plain(call: Call) -> None:
    """Also where a text is empty, or nobody is near: finite, and zero where plain says zero."""
    call = call.to(torch.float64)
    with use_backend("plain"):
        expected = call.gradients()
    with use_backend("sdpa"):
        found = call.gradients()
    assert found.keys() == expected.keys() == call.tensors().keys()
    for name in expected:
        assert_close(name, expected[name], found[name], atol=1e-10)


@settings(max_examples=150, deadline=None)
@given(call=calls(windowed=True))
def test_banded_agrees_with_plain(call: Call) -> None:
    with use_backend("plain"):
        expected = call.attend()
    with use_backend("banded"):
        assert_close("out", expected, call.attend(), atol=1e-5)


@settings(max_examples=80, deadline=None)
@given(call=calls(windowed=True))
def test_gradients_of_banded_agree_with_plain(call: Call) -> None:
    """Every gradient of its own backward pass, also where a text is empty, or nobody is near."""
    call = call.to(torch.float64)
    with use_backend("plain"):
        expected = call.gradients()
    with use_backend("banded"):
        found = call.gradients()
    assert found.keys() == expected.keys() == call.tensors().keys()
    for name in expected:
        assert_close(name, expected[name], found[name], atol=1e-10)


@pytest.mark.usefixtures("uncompiled_flex")
@settings(max_examples=60, deadline=None)
@given(call=calls())
def test_flex_agrees_with_plain(call: Call) -> None:
    call = replace(call, causal=False)  # which it refuses
    with torch.no_grad():
        with use_backend("plain"):
            expected = call.attend()
        with use_backend("flex"):
            assert_close("out", expected, call.attend(), atol=1e-5)


@pytest.mark.slow
@DTYPES
def test_compiled_flex_agrees_with_plain(dtype: torch.dtype) -> None:
    """More than one block of 128, a text without tokens, and a length that is no multiple of anything."""
    torch._dynamo.reset()
    mask = torch.rand(2, 300, generator=torch.Generator().manual_seed(1)) > 0.4
    mask[1] = False
    for call in (make(N=300, E=16, window=20, mask=mask, bias=True), make(N=300, M=300, mask=mask, signal=True)):
        call = call.to(dtype)
        with torch.no_grad():
            with use_backend("plain"):
                expected = call.attend()
            with use_backend("flex"):
                assert_close("out", expected.float(), call.attend().float(), atol=TOLERANCE[dtype])


@DTYPES
@pytest.mark.parametrize("window", [None, 3, 16])
def test_half_precision_is_near_the_exact_result(dtype: torch.dtype, window: int | None) -> None:
    call = make(window=window, mask=EMPTY, signal=True, bias=True)
    exact = by_hand(call)
    for backend in ("plain", "sdpa") if window is None else ("plain", "sdpa", "banded"):
        with use_backend(backend):
            out = call.to(dtype).attend()
        assert out.dtype == dtype
        assert_close(backend, exact, out.float(), atol=TOLERANCE[dtype])


@EACH
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("silent", [False, True])
def test_a_query_without_any_key_gives_zero_and_takes_no_gradient(
    backend: str, dtype: torch.dtype, window: int | None, silent: bool
) -> None:
    """Text 1 is empty, by its mask or by signals of −∞; in text 0 every window holds something."""
    call = make(window=window, mask=None if silent else EMPTY, signal=silent, bias=True)
    if call.signal is not None:
        call.signal.masked_fill_(~EMPTY, float("-inf"))
    call = call.to(dtype)
    with use_backend(backend):
        out, gradients = call.attend(), call.gradients()
    assert (out[1] == 0).all() and (out[0] != 0).any()
    for name, gradient in gradients.items():
        assert torch.isfinite(gradient).all(), name
        assert name == "bias" or (gradient[1] == 0).all(), name


@WINDOWED
@pytest.mark.parametrize("N", [1, 2, 3, 4, 5])
def test_texts_shorter_than_the_window(backend: str, N: int) -> None:
    call = make(N=N, window=16, bias=True)
    with use_backend(backend):
        assert_close("out", by_hand(call), call.attend(), atol=1e-5)


@EACH
def test_dropout_drops_single_weights_and_scales_the_rest(backend: str, window: int | None) -> None:
    """With the unit vectors as values the result is the matrix of weights itself."""
    B, N, p = 200, 12, 0.3
    call = make(B, 1, N, E=N, window=window)
    call = Call(call.q, call.k, torch.eye(N).expand(B, 1, N, N), window=window)
    torch.manual_seed(0)
    with use_backend(backend):
        weights, dropped = call.attend(), call.attend(dropout_p=p)
    kept = dropped != 0
    assert_close("kept weights", (weights / (1 - p))[kept], dropped[kept], atol=1e-5)
    possible = int((weights != 0).sum())
    share = 1 - int(kept.sum()) / possible
    assert share == pytest.approx(p, abs=4 * (p * (1 - p) / possible) ** 0.5)


def test_blocks_are_dropped_in_pieces_that_the_kernel_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 65,535 of them it refuses on a GPU, where it drops weights."""
    rows, whole = list[int](), F.scaled_dot_product_attention

    def counted(q: torch.Tensor, *rest: torch.Tensor, **options: object) -> torch.Tensor:
        rows.append(len(q))
        return whole(q, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(sdpa_module, "MOST_DROPPED", 5)
    monkeypatch.setattr(F, "scaled_dot_product_attention", counted)
    call = make(2, 2, 16, window=4, bias=True)  # 2 texts of 4 blocks
    with use_backend("sdpa"):
        expected, found = call.attend(), call.attend(dropout_p=1e-9)
    assert rows == [8, 5, 3]
    assert_close("out", expected, found, atol=1e-6)


@WINDOWED
def test_autocast_decides_the_type(backend: str) -> None:
    call = make(window=2, bias=True)
    with use_backend(backend), torch.autocast("cpu", torch.bfloat16):
        assert call.attend().dtype == torch.bfloat16
        assert call.to(torch.float64).attend().dtype == torch.float64


@EACH
def test_shapes_are_known_without_data(backend: str, window: int | None) -> None:
    call = make(window=window, mask=EMPTY, signal=True, bias=True).to("meta")
    with use_backend(backend):
        out = call.attend()
    assert out.is_meta and out.shape == call.q.shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 0}, "window must be at least 1, got 0"),
        ({"window": 2, "k_BHMD": torch.zeros(1, 1, 4, 2)}, "as many keys as queries, got 4 keys for 3 queries"),
        ({"bias_HR": torch.zeros(1, 5)}, "give the window too"),
        ({"window": 2, "bias_HR": torch.zeros(2, 5)}, r"must be \[1, 5\], got \[2, 5\]"),
        ({"v_BHMD": torch.zeros(1, 1, 3, 4)}, "values are 4 wide and queries 2"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change: dict, message: str) -> None:
    x = torch.zeros(1, 1, 3, 2)
    with pytest.raises(AttentionError, match=message):
        attend(**{"q_BHND": x, "k_BHMD": x, "v_BHMD": x, **change})
