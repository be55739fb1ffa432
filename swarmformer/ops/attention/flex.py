"""PyTorch's flex_attention: the mask and the scores as functions of positions, blocks outside the window skipped."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from swarmformer.ops.attention.masks import usable_keys

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

BLOCK = 128
"""Side of a block of scores; PyTorch's default."""

MaskMod = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
ScoreMod = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


def flex(
    q_BHND: Tensor,
    k_BHMD: Tensor,
    v_BHMD: Tensor,
    mask_BM: Tensor | None,
    signal_BM: Tensor | None,
    window: int | None,
    bias_HR: Tensor | None,
    dropout_p: float,
) -> Tensor:
    """See ``attend``; ``dropout_p`` must be 0. A row without any allowed key is zero in the kernel itself."""
    assert dropout_p == 0, "choice.py keeps dropout away from here"
    usable_BM, signal_BM = usable_keys(mask_BM, signal_BM)
    N, M = q_BHND.shape[2], k_BHMD.shape[2]
    block_mask = None
    if usable_BM is not None or window is not None:
        block_mask = window_blocks(N, M, window, mask_mod(usable_BM, window), q_BHND.device)
    return _kernel()(q_BHND, k_BHMD, v_BHMD, score_mod=score_mod(signal_BM, bias_HR), block_mask=block_mask)


def _kernel() -> Callable[..., Tensor]:
    """flex_attention itself where it becomes part of a graph that is being traced, else a graph of its own."""
    from torch.nn.attention.flex_attention import flex_attention

    return flex_attention if torch.compiler.is_compiling() else _compiled()  # type: ignore[return-value]


@cache
def _compiled() -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    # A full graph: past the limit of recompilations it fails aloud, where it would else run unfused in silence.
    return torch.compile(flex_attention, fullgraph=True)  # type: ignore[return-value]


def mask_mod(usable_BM: Tensor | None, window: int | None) -> MaskMod:
    """True where query q of text b may look at key k."""

    def allowed(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        near = (k - q).abs() <= window if window is not None else k >= 0
        return near if usable_BM is None else near & usable_BM[b, k]

    return allowed


def score_mod(signal_BM: Tensor | None, bias_HR: Tensor | None) -> ScoreMod | None:
    """The score of query q and key k with the signal of the key and the bias of the distance; None adds nothing."""
    if signal_BM is None and bias_HR is None:
        return None

    def changed(score: Tensor, b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        if signal_BM is not None:
            score = score + signal_BM[b, k]
        if bias_HR is not None:
            window = bias_HR.shape[-1] // 2
            score = score + bias_HR[h, (k - q).clamp(-window, window) + window]
        return score

    return changed


def window_blocks(N: int, M: int, window: int | None, mod: MaskMod, device: torch.device) -> BlockMask:
    """The blocks that a window touches (None: all), in closed form: trying ``mod`` would take N × M steps."""
    from torch.nn.attention.flex_attention import BlockMask

    rows, columns = -(-N // BLOCK), -(-M // BLOCK)
    reach = max(N, M) if window is None else window
    start_R = torch.arange(rows, device=device) * BLOCK
    first_R = ((start_R - reach) // BLOCK).clamp(min=0)
    last_R = ((start_R + BLOCK - 1 + reach) // BLOCK).clamp(max=columns - 1)
    # Each row lists its blocks first; what follows is not looked at, but must be there.
    order_RC = (first_R[:, None] + torch.arange(columns, device=device)) % columns
    count_R, order_RC = (last_R - first_R + 1).int(), order_RC.int()
    return BlockMask.from_kv_blocks(
        count_R[None, None], order_RC[None, None], BLOCK_SIZE=BLOCK, mask_mod=mod, seq_lengths=(N, M)
    )
