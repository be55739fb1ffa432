"""Which back end takes which call, on machines that are only described."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
import torch

from swarmformer.ops.attention import AttentionError, Machine, Request, choose, use_backend, xformers_ops
from swarmformer.ops.attention.choice import LACKS, machine_of
from tests.ops.attention.calls import make

HALF, BF16, FULL, DOUBLE = torch.float16, torch.bfloat16, torch.float32, torch.float64
CPU, OLD, A100, RTX, BARE = (
    Machine(),
    Machine((7, 5)),
    Machine((8, 0)),
    Machine((8, 6)),
    Machine((9, 0), flex_fault="no triton", xformers_fault="no xformers"),
)


def request(device: str = "cuda", dtype: torch.dtype = BF16, head_width: int = 32, **more: Any) -> Request:
    return Request(device, dtype, head_width, **more)


@pytest.mark.parametrize(
    ("wanted", "machine", "backend", "because"),
    [
        (request("cpu", FULL), CPU, "sdpa", "every call without a window"),
        (request(mask=True, signal=True, dropout=True), A100, "sdpa", "every call without a window"),
        (request(causal=True), A100, "sdpa", "every call without a window"),
        (request("meta", FULL, window=4), CPU, "sdpa", "not xformers: it needs a CUDA device, not meta"),
        (request("meta", FULL, window=4), CPU, "sdpa", "not banded: nothing is computed"),
        (request("cpu", FULL, window=4), CPU, "banded", "not flex: on a CPU it would compile for each shape"),
        (request("cpu", FULL, window=4, gradient=True), CPU, "banded", "not flex: it has no backward pass on a CPU"),
        (request("cpu", BF16, window=4, dropout=True, gradient=True), CPU, "banded", "pieces that fit the cache"),
        (request("cpu", FULL, window=4, compiling=True), CPU, "sdpa", "not banded: torch.compile cannot trace"),
        (request(window=4), A100, "xformers", "fused kernel"),
        (request(dtype=HALF, window=4, dropout=True, gradient=True), A100, "xformers", "fused kernel"),
        (request(window=4), OLD, "sdpa", "capability 8.0.*; not flex: outside torch.compile"),
        (request(window=4, compiling=True), OLD, "flex", "not xformers: it needs an NVIDIA GPU of compute"),
        (request(window=4), BARE, "sdpa", "not xformers: no xformers; not flex: no triton; not banded: .* not cuda"),
        (request(dtype=FULL, window=4, gradient=True), A100, "sdpa", "takes fp16 and bf16.*not flex: outside"),
        (request(window=4, mask=True, gradient=True), A100, "sdpa", "it cannot take a mask.*not flex: out"),
        (request(window=4, mask=True, gradient=True, compiling=True), A100, "flex", "it cannot take a mask"),
        (request(window=4, signal=True, compiling=True), A100, "flex", "not xformers: it cannot take signals"),
        (request(window=4, bias=True, compiling=True), A100, "flex", "it cannot take a position bias"),
        (request(window=4, bias=True, gradient=True, bias_gradient=True), A100, "sdpa", "atomically"),
        (request(window=4, mask=True, dropout=True), A100, "sdpa", "not flex: it has no dropout"),
        (request(dtype=DOUBLE, window=4), A100, "sdpa", "not flex: it takes fp32, fp16 and bf16"),
        (request(head_width=12, window=4), A100, "sdpa", "multiple of 8.*not flex: heads must be at least 16 wide"),
        (request(head_width=264, window=4, compiling=True), A100, "flex", "at most 256 wide, not 264"),
        (request(head_width=240, window=4, dropout=True, gradient=True), RTX, "sdpa", "no backward pass with dropout"),
        (request(head_width=240, window=4, dropout=True, gradient=True), A100, "xformers", "fused kernel"),
        (request(head_width=240, window=4, dropout=True), RTX, "xformers", "fused kernel"),
        (request(window=4, compiling=True), A100, "flex", "not xformers: torch.compile would break the graph"),
    ],
)
def test_choice_by_capability(wanted: Request, machine: Machine, backend: str, because: str) -> None:
    choice = choose(wanted, machine)
    assert choice.backend == backend
    assert re.search(because, choice.reason), choice.reason


def test_a_choice_is_one_that_can() -> None:
    """Whatever is asked of whatever machine, nothing is chosen that its own rule refuses."""
    for device, machine in (("cpu", CPU), ("meta", CPU), ("cuda", A100), ("cuda", OLD), ("cuda", BARE)):
        for bits in range(2**7):
            flags = ("mask", "signal", "bias", "dropout", "gradient", "bias_gradient", "compiling")
            chosen = {flag: bool(bits >> place & 1) for place, flag in enumerate(flags)}
            for dtype, width, window in ((BF16, 32, 4), (FULL, 8, 4), (HALF, 300, None)):
                wanted = request(device, dtype, width, window=window, **chosen)
                assert not LACKS[choose(wanted, machine).backend](wanted, machine)


@pytest.mark.parametrize(
    ("name", "wanted", "machine", "message"),
    [
        ("xformers", request("cpu", FULL, window=4), CPU, "CUDA device.* These can: plain, sdpa, banded, flex$"),
        ("xformers", request(window=4, mask=True), A100, "cannot take a mask of keys. These can: plain, sdpa, flex$"),
        ("xformers", request(window=4), BARE, "no xformers. These can: plain, sdpa$"),
        ("flex", request("cpu", FULL, gradient=True), CPU, "no backward pass on a CPU. These can: plain, sdpa$"),
        ("flex", request(dropout=True), A100, "no dropout. These can: plain, sdpa, xformers$"),
        ("banded", request("cpu", FULL), CPU, "it needs a window. These can: plain, sdpa, flex$"),
        ("banded", request(window=4), A100, "cache of a CPU, not cuda. These can: plain, sdpa, flex, xformers$"),
        ("banded", request("cpu", FULL, window=4, compiling=True), CPU, "cannot trace.* These can: plain, sdpa, flex$"),
        ("sdap", request(), A100, "unknown attention back end 'sdap'. Did you mean 'sdpa'"),
    ],
)
def test_an_override_that_cannot_is_refused_and_names_those_that_can(
    name: str, wanted: Request, machine: Machine, message: str
) -> None:
    with pytest.raises(AttentionError, match=message) as caught:
        choose(wanted, machine, name, "use_backend")
    assert str(caught.value).startswith("use_backend")


def test_an_override_that_can_is_taken() -> None:
    for name in LACKS:
        wanted, machine = (request("cpu", window=4), CPU) if name == "banded" else (request(window=4), A100)
        choice = choose(wanted, machine, name, "use_backend")
        assert choice == (name, "asked for by use_backend")


def test_the_innermost_override_counts_and_ends_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMFORMER_ATTENTION", "xformers")
    call = make(window=2)
    with pytest.raises(AttentionError, match=r"^SWARMFORMER_ATTENTION asks for the attention back end 'xformers'"):
        call.attend()
    with use_backend("flex"):
        with use_backend("plain"):
            call.learned().attend()
        with pytest.raises(AttentionError, match=r"^use_backend asks for the attention back end 'flex'"):
            call.learned().attend()
    monkeypatch.setenv("SWARMFORMER_ATTENTION", "plane")
    with pytest.raises(AttentionError, match=r"SWARMFORMER_ATTENTION: unknown.*'plane'. Did you mean 'plain'"):
        call.attend()
    monkeypatch.setenv("SWARMFORMER_ATTENTION", "")
    call.attend()


def test_an_unknown_override_is_refused_before_anything_runs() -> None:
    with pytest.raises(AttentionError, match="Available: plain, sdpa, banded, flex, xformers"), use_backend("fast"):
        raise AssertionError("not reached")


def test_a_machine_without_gpu_has_no_capability() -> None:
    assert machine_of("cpu", None) == Machine()
    assert machine_of("meta", None) == Machine()


def test_xformers_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xformers.ops.fmha", None)  # what an absent module looks like
    assert "xformers cannot be imported" in xformers_ops.fault.__wrapped__(torch.device("cpu"))


def test_xformers_is_asked_whether_it_works_here() -> None:
    pytest.importorskip("xformers", reason="needs xformers: install the extra 'dev' on Linux")
    assert "device=cpu" in xformers_ops.fault(torch.device("cpu"))
