"""Random calls of ``attend``, and what they must give, one query at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from swarmformer.ops.attention import attend


@dataclass(frozen=True)
class Call:
    """The tensors of one call."""

    q: Tensor
    k: Tensor
    v: Tensor
    mask: Tensor | None = None
    signal: Tensor | None = None
    window: int | None = None
    bias: Tensor | None = None
    causal: bool = False

    def attend(self, dropout_p: float = 0.0) -> Tensor:
        words: dict[str, Any] = {"mask_BM": self.mask, "signal_BM": self.signal, "bias_HR": self.bias}
        words |= {"window": self.window, "dropout_p": dropout_p, "causal": self.causal}
        return attend(self.q, self.k, self.v, **words)

    def to(self, *target: Any) -> Call:
        """Other dtype or device; masks stay masks."""
        moved = {n: t.to(*target) for n, t in self.tensors().items()}
        device = next((t for t in target if not isinstance(t, torch.dtype)), "cpu")
        return replace(self, **moved, mask=None if self.mask is None else self.mask.to(device))

    def learned(self) -> Call:
        """The same with leaves that ask for gradients."""
        return replace(self, **{n: t.detach().clone().requires_grad_() for n, t in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """What may have a gradient."""
        named = {"q": self.q, "k": self.k, "v": self.v, "signal": self.signal, "bias": self.bias}
        return {name: tensor for name, tensor in named.items() if tensor is not None}

    def gradients(self) -> dict[str, Tensor]:
        """Of a fixed random projection of the result."""
        call = self.learned()
        out = call.attend()
        (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(5)).to(out)).sum().backward()
        return {name: tensor.grad for name, tensor in call.tensors().items() if tensor.grad is not None}


def make(
    B: int = 2,
    H: int = 2,
    N: int = 7,
    M: int | None = None,
    E: int = 8,
    *,
    window: int | None = None,
    mask: Tensor | None = None,
    signal: bool = False,
    bias: bool = False,
    seed: int = 0,
) -> Call:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    M = N if M is None else M
    return Call(
        draw(B, H, N, E),
        draw(B, H, M, E),
        draw(B, H, M, E),
        mask,
        draw(B, M) if signal else None,
        window,
        draw(H, 2 * window + 1) if bias and window else None,
    )


@st.composite
def calls(draw: st.DrawFn, windowed: bool = False) -> Call:
    """Any call: one token, empty masks, windows wider than the text, signals of −∞ …"""
    B, H, N = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 20))
    windows = st.integers(1, 24) | st.just(16)
    window = draw(windows if windowed else st.none() | windows)
    M = N if window is not None else draw(st.integers(1, 20))
    rows = st.lists(st.lists(st.booleans(), min_size=M, max_size=M), min_size=B, max_size=B)
    mask = draw(st.none() | rows.map(torch.tensor) | st.just(torch.zeros(B, M, dtype=torch.bool)))
    flags = {"signal": draw(st.booleans()), "bias": draw(st.booleans())}
    E, seed = draw(st.sampled_from([1, 4, 16])), draw(st.integers(0, 99))
    call = make(B, H, N, M, E, window=window, mask=mask, **flags, seed=seed)
    if call.signal is not None and draw(st.booleans()):
        silent = torch.tensor(draw(rows))
        call = replace(call, signal=call.signal.masked_fill(silent, float("-inf")))
    causal = window is None and M >= N and draw(st.booleans())
    return replace(call, causal=causal)


def by_hand(call: Call) -> Tensor:
    """One query and head at a time, in the words of the definition."""
    out = torch.zeros_like(call.q)
    for b, h, i in torch.cartesian_prod(*(torch.arange(size) for size in call.q.shape[:3])).tolist():
        keys = [j for j in range(call.k.shape[2]) if allowed(call, b, i, j)]
        scores = [score(call, b, h, i, j) for j in keys]
        total = sum(math.exp(s - max(scores)) for s in scores)
        for s, j in zip(scores, keys, strict=True):
            out[b, h, i] += math.exp(s - max(scores)) / total * call.v[b, h, j]
    return out


def allowed(call: Call, b: int, i: int, j: int) -> bool:
    if call.window is not None and abs(i - j) > call.window:
        return False
    if call.causal and j > i + call.k.shape[2] - call.q.shape[2]:
        return False
    if call.signal is not None and call.signal[b, j] == float("-inf"):
        return False
    return call.mask is None or bool(call.mask[b, j])


def score(call: Call, b: int, h: int, i: int, j: int) -> float:
    value = float(call.q[b, h, i] @ call.k[b, h, j]) / math.sqrt(call.q.shape[-1])
    if call.signal is not None:
        value += float(call.signal[b, j])
    if call.bias is not None:
        assert call.window is not None
        value += float(call.bias[h, j - i + call.window])
    return value
