"""All back ends against plain on a GPU, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from swarmformer.ops.attention import AttentionError, use_backend
from tests.helpers import assert_close
from tests.ops.attention.calls import Call, make

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
N = 300
MASK = torch.arange(N) < torch.tensor([N, 0])[:, None]
CALLS = {
    "full": make(N=N, E=32),
    "full, mask": make(N=N, E=32, mask=MASK),
    "full, mask, signal": make(N=N, E=32, mask=MASK, signal=True),
    "keys fewer than queries": make(N=N, M=77, E=48),
    "window": make(N=N, E=32, window=20),
    "window wider than the text": make(N=5, E=32, window=16),
    "window, mask": make(N=N, E=32, window=20, mask=MASK),
    "window, mask, bias": make(N=N, E=48, window=20, mask=MASK, bias=True),
    "window, mask, signal, bias": make(N=N, E=32, window=150, mask=MASK, signal=True, bias=True),
}


@pytest.fixture(scope="module", autouse=True)
def exact_products() -> Iterator[None]:
    """fp32 means fp32; and each case compiles its own kernel."""
    before, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, False
    limit, torch._dynamo.config.recompile_limit = torch._dynamo.config.recompile_limit, 64
    yield
    torch.backends.cuda.matmul.allow_tf32, torch._dynamo.config.recompile_limit = before, limit


@pytest.mark.parametrize("backend", ["sdpa", "flex", "xformers"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_agrees_with_plain(backend: str, dtype: torch.dtype, call: Call) -> None:
    rounded = call.to(dtype)
    with use_backend("plain"):
        expected, gradients = rounded.to(torch.float32).attend(), rounded.to(torch.float32).gradients()
    on_gpu = rounded.to("cuda")
    with use_backend(backend):
        try:
            out, found = on_gpu.attend(), on_gpu.gradients()
        except AttentionError as error:
            pytest.skip(str(error))
    atol = 2e-4 if dtype == torch.float32 else 0.05
    assert out.dtype == dtype
    assert_close("out", expected, out.cpu().float(), atol=atol)
    for name in gradients:
        scale = max(1.0, float(gradients[name].abs().max()))
        assert_close(name, gradients[name] / scale, found[name].cpu().float() / scale, atol=atol)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_what_is_chosen_agrees_with_plain(dtype: torch.dtype, call: Call) -> None:
    rounded = call.to(dtype)
    with use_backend("plain"):
        expected = rounded.to(torch.float32).attend()
    out = rounded.to("cuda").attend()
    assert_close("out", expected, out.cpu().float(), atol=2e-4 if dtype == torch.float32 else 0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_more_blocks_than_the_kernel_drops_at_once(dtype: torch.dtype) -> None:
    """65,536 blocks with dropout, forward and backward: no error, and about the mean that all weights give."""
    call = make(B=256, H=1, N=1024, E=16, window=4).to(dtype).to("cuda")
    with use_backend("sdpa"):
        whole, gradients = call.attend(), call.learned()
        out = gradients.attend(dropout_p=0.5)
        out.float().square().sum().backward()
    assert gradients.q.grad is not None and bool(gradients.q.grad.isfinite().all())
    assert abs(float((out.float() - whole.float()).mean())) < 0.01
