"""Windowed attention, forwards and backwards: ours against PyPI's local-attention and against a dense mask."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.ops.attention import attend, use_backend
from swarmformer.ops.attention.plain import dense_mask
from swarmformer.testing import assert_close

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
Results = dict[str, Tensor]
MISSING = "the package local-attention is not installed; pip install 'swarmformer[dev]'"
OUT, GRADIENT = 1e-5, 1e-4
"""Agreement with the plain back end: absolute for results, relative to the greatest for gradients."""


@dataclass(frozen=True)
class Windowed:
    """The arms by name: each call attends in both directions and returns ``out`` and ``gradient``."""

    calls: dict[str, Callable[[], Results]]
    texts: dict[str, int]
    """How many texts a call of the arm takes: a dense mask takes one, so its time counts for one text."""
    missing: dict[str, str] = field(default_factory=dict)
    """Arms that cannot run here, and why."""


def arms(*, batch: int = 8, length: int = 8_192, d_model: int = 192, heads: int = 4, window: int = 16) -> Windowed:
    """The arms at this size, after they have agreed with the plain back end at a smaller one.

    ``attend``        as the model calls it: the back end that ``attention.choice`` picks.
    ``chunks``        the same through PyTorch's fused attention, in chunks of three blocks.
    ``local-attention``  PyPI's LocalAttention, two-sided, with exact windows: the same function.
    ``dense mask``    PyTorch's fused attention with a mask of all pairs, made beforehand; of one text.

    Every arm starts from one matrix of queries, keys and values side by side, [batch, length, 3 · d_model],
    and its gradient ends there. fp32, without padding, bias and dropout. The length is a multiple of the window,
    as LocalAttention asks for; where it pads by itself, it attends to its pads.

    Raises:
        ValueError: the length is not a multiple of the window.
        ViolationError: an arm computes something else than the plain back end.
    """
    if length % window:
        raise ValueError(f"length = {length} is not a multiple of window = {window}, as local-attention needs it")
    _check(d_model, heads, window)
    return _build(batch, length, d_model, heads, window)


def _check(d_model: int, heads: int, window: int) -> None:
    small = _build(1, 5 * window, d_model, heads, window)
    with use_backend("plain"):
        expected = small.calls["attend"]()
    greatest = float(expected["gradient"].abs().max())
    for name, call in small.calls.items():
        found = call()
        assert_close(f"{name}, out", expected["out"], found["out"], atol=OUT)
        assert_close(f"{name}, gradient", expected["gradient"], found["gradient"], atol=GRADIENT * greatest)


def _build(batch: int, length: int, d_model: int, heads: int, window: int) -> Windowed:
    generator = torch.Generator().manual_seed(0)
    qkv = torch.randn(batch, length, 3 * d_model, generator=generator)
    gradient = torch.randn(batch, length, d_model, generator=generator)
    attentions: dict[str, Attention] = {
        "attend": lambda q, k, v: attend(q, k, v, window=window),
        "chunks": lambda q, k, v: _in_chunks(q, k, v, window),
        "dense mask": _dense(length, window),
    }
    missing = {}
    if importlib.util.find_spec("local_attention") is None:
        missing["local-attention"] = MISSING
    else:
        attentions["local-attention"] = _local_attention(window)
    texts = {name: 1 if name == "dense mask" else batch for name in attentions}
    calls = {name: _step(attentions[name], qkv[: texts[name]], gradient[: texts[name]], heads) for name in attentions}
    return Windowed(calls, texts, missing)


def _step(attention: Attention, qkv_BN3D: Tensor, gradient_BND: Tensor, heads: int) -> Callable[[], Results]:
    leaf = qkv_BN3D.clone().requires_grad_()

    def call() -> Results:
        leaf.grad = None
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in leaf.chunk(3, dim=-1))
        out_BND = attention(q, k, v).transpose(1, 2).flatten(2)
        out_BND.backward(gradient_BND)
        assert leaf.grad is not None
        return {"out": out_BND.detach(), "gradient": leaf.grad}

    return call


def _in_chunks(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    with use_backend("sdpa"):
        return attend(q, k, v, window=window)


def _dense(length: int, window: int) -> Attention:
    mask = dense_mask(None, window, length, length, torch.device("cpu"))
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def _local_attention(window: int) -> Attention:
    from local_attention import LocalAttention

    module: Attention = LocalAttention(
        window, causal=False, look_backward=1, look_forward=1, exact_windowsize=True, use_rotary_pos_emb=False
    )
    return module
