"""``attend``: scaled dot-product attention for every component."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from swarmformer import settings
from swarmformer.ops.attention import override, record
from swarmformer.ops.attention.banded import banded
from swarmformer.ops.attention.choice import choose, machine_of
from swarmformer.ops.attention.flex import flex
from swarmformer.ops.attention.plain import plain
from swarmformer.ops.attention.request import AttentionError, Request, request_of
from swarmformer.ops.attention.sdpa import sdpa
from swarmformer.ops.attention.xformers_ops import xformers
from swarmformer.ops.stacked import by_each, in_stack

BACKENDS: dict[str, Callable[..., Tensor]] = {
    "plain": plain,
    "sdpa": sdpa,
    "banded": banded,
    "flex": flex,
    "xformers": xformers,
}


def attend(
    q_BHND: Tensor,
    k_BHMD: Tensor,
    v_BHMD: Tensor,
    *,
    mask_BM: Tensor | None = None,
    signal_BM: Tensor | None = None,
    window: int | None = None,
    bias_HR: Tensor | None = None,
    dropout_p: float = 0.0,
    causal: bool = False,
) -> Tensor:
    """softmax(q kᵀ / √D + signal + bias) v over the allowed keys, → out_BHND.

    A query without any allowed key gives zero, and passes no gradient on. ``attention.choice`` picks the
    back end, by what is static in the call; results of different back ends agree but for rounding.

    Cost in operations: 2 · 2 · B · N · M · (heads × D); with a window in chunks, as ``sdpa`` computes it and as
    closed forms count it whatever the back end, 2 · 2 · B · (N padded to a multiple of the window) · 3 window
    · (heads × D).

    Args:
        q_BHND, k_BHMD, v_BHMD: heads apart. Under autocast they are cast to its type.
        mask_BM: bool, True on keys that are real.
        signal_BM: added to the scores of each key; −∞ is the same as a mask.
        window: radius; a query sees the keys at most so far away. Then N = M.
        bias_HR: added to the scores by head and distance, R = 2 · window + 1, from key − query = −window on.
        dropout_p: chance that a weight is dropped; the caller passes 0 in evaluation.
        causal: a query sees no later key; the last query stands where the last key does. Not with a window.

    Raises:
        AttentionError: arguments that do not fit together, or an override that cannot do this call.
    """
    if in_stack():  # back ends are for one model, and draw in ways of their own
        own = partial(attend, window=window, dropout_p=dropout_p, causal=causal)
        given = {"mask_BM": mask_BM, "signal_BM": signal_BM, "bias_HR": bias_HR}
        return by_each(own, q_BHND, k_BHMD, v_BHMD, **given)
    _check(q_BHND, k_BHMD, v_BHMD, window, bias_HR, causal)
    q, k, v = _autocast(q_BHND, k_BHMD, v_BHMD)
    request = request_of(q, k, v, mask_BM, signal_BM, window, bias_HR, dropout_p, causal)
    backend = _decide(tuple(request), q.device.index, override.asked())
    seen = {"causal": True} if causal else {}  # the others refuse it: see choice.LACKS
    return BACKENDS[backend](q, k, v, mask_BM, signal_BM, window, bias_HR, dropout_p, **seen)


def _decide(facts: tuple[Any, ...], device_index: int | None, asked: str | None) -> str:
    """Choose and record. While a graph is traced this runs once, and the graph keeps the answer.

    A bare tuple, because the tracer hands over named ones empty.
    """
    asked_by = "use_backend"
    if asked is None:
        asked, asked_by = settings.attention_backend(), settings.ATTENTION_VARIABLE
    use = _use(facts, device_index, asked, asked_by)
    record.note(use)
    return use.choice.backend


# What torch.compiler.assume_constant_result does; calling that would import the whole compiler, for seconds.
_decide._dynamo_marked_constant = True  # type: ignore[attr-defined]


@cache
def _use(facts: tuple[Any, ...], device_index: int | None, asked: str | None, asked_by: str) -> record.Use:
    request = Request(*facts)
    return record.Use(request, choose(request, machine_of(request.device, device_index), asked, asked_by))


def _autocast(*tensors: Tensor) -> Sequence[Tensor]:
    device = tensors[0].device.type
    if device == "meta" or not torch.is_autocast_enabled(device):
        return tensors
    dtype = torch.get_autocast_dtype(device)
    return [tensor if tensor.dtype == torch.float64 else tensor.to(dtype) for tensor in tensors]


def _check(
    q_BHND: Tensor, k_BHMD: Tensor, v_BHMD: Tensor, window: int | None, bias_HR: Tensor | None, causal: bool
) -> None:
    H, N, M = q_BHND.shape[1], q_BHND.shape[2], k_BHMD.shape[2]
    if q_BHND.shape[-1] != v_BHMD.shape[-1]:
        raise AttentionError(f"values are {v_BHMD.shape[-1]} wide and queries {q_BHND.shape[-1]}; make them equal")
    if causal and (window is not None or N > M):
        raise AttentionError(f"causal attention takes no window, and no more queries ({N}) than keys ({M})")
    if window is None:
        if bias_HR is not None:
            raise AttentionError("bias_HR is a bias by distance within a window: give the window too")
        return
    if window < 1:
        raise AttentionError(f"window must be at least 1, got {window}")
    if N != M:
        raise AttentionError(f"a window needs as many keys as queries, got {M} keys for {N} queries")
    if bias_HR is not None and bias_HR.shape != (H, 2 * window + 1):
        raise AttentionError(f"bias_HR must be [{H}, {2 * window + 1}], got {list(bias_HR.shape)}")
