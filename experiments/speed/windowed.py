"""Windowed attention, forwards and backwards: ours against PyPI's local-attention and against a dense mask."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.ops.attention import attend, use_backend
from swarmformer.ops.attention.plain import dense_mask
from swarmformer.testing import assert_close

from ..speed.figure import Arm, Group, Target

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
Results = dict[str, Tensor]
Arms = dict[str, Arm]
MISSING = "the package local-attention is not installed; pip install 'swarmformer[dev]'"
OUT, GRADIENT = 1e-5, 1e-4
"""Agreement with the plain back end: absolute for results, relative to the greatest for gradients."""


def group(*, length: int, batch: int = 8, d_model: int = 192, heads: int = 4, window: int = 16) -> Group:
    """The arms at this size, after they have agreed with the plain back end at a smaller one.

    ``attend``        as the model calls it: the back end that ``attention.choice`` picks.
    ``chunks``        the same through PyTorch's fused attention, in chunks of three blocks.
    ``local-attention``  PyPI's LocalAttention, two-sided, with exact windows: the same function.
    ``dense mask``    PyTorch's fused attention with a mask of all pairs, made beforehand.

    A dense mask takes one text only, so its seconds count for one.
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
    arms, missing = _build(batch, length, d_model, heads, window)
    title = f"windowed attention, w {window}, d {d_model}, {batch} × {length}, forward and backward"
    return Group(arms, (Target(title, ("local-attention", "dense mask"), "attend", 1.0, 1.5),), missing)


def _check(d_model: int, heads: int, window: int) -> None:
    small, _ = _build(1, 5 * window, d_model, heads, window)
    with use_backend("plain"):
        expected = small["attend"].call()
    greatest = float(expected["gradient"].abs().max())
    for name, arm in small.items():
        found = arm.call()
        assert_close(f"{name}, out", expected["out"], found["out"], atol=OUT)
        assert_close(f"{name}, gradient", expected["gradient"], found["gradient"], atol=GRADIENT * greatest)


def _build(batch: int, length: int, d_model: int, heads: int, window: int) -> tuple[Arms, dict[str, str]]:
    """Arms whose calls attend in both directions and return ``out`` and ``gradient``; those that cannot run, and why.
    """
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
    arms = {}
    for name, attention in attentions.items():
        texts = 1 if name == "dense mask" else batch
        arms[name] = Arm(_step(attention, qkv[:texts], gradient[:texts], heads), texts)
    return arms, missing


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
