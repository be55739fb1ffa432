"""A window as chunks: blocks of W queries, each against the previous, the own and the next block of keys.

Linear in N: ⌈N / W⌉ blocks of W × 3W scores, of which the band of the window is used. The text is padded
to a multiple of W, so the matrix products of one attention cost 2 · 2 · (padded N) · 3W · D operations.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from swarmformer.ops.attention.masks import distances
from swarmformer.ops.padding import missing


def query_blocks(x_BHND: Tensor, window: int) -> Tensor:
    """[B, H, N, D] → [B, H, G, W, D] with G = ⌈N / W⌉."""
    pad = missing(x_BHND.shape[2], window)
    return F.pad(x_BHND, (0, 0, 0, pad)).unflatten(2, (-1, window))


def key_blocks(x_BHND: Tensor, window: int) -> Tensor:
    """[B, H, N, D] → [B, H, G, 3W, D]: the keys of block g are tokens (g − 1)·W … (g + 2)·W, zero outside."""
    pad = missing(x_BHND.shape[2], window)
    return F.pad(x_BHND, (0, 0, window, pad + window)).unfold(2, 3 * window, window).transpose(-2, -1)


def key_values(values_BN: Tensor, window: int) -> Tensor:
    """One number, or truth, per key in the same blocks: [B, N] → [B, 1, G, 1, 3W]; zero, or False, outside."""
    pad = missing(values_BN.shape[1], window)
    return F.pad(values_BN, (window, pad + window)).unfold(1, 3 * window, window)[:, None, :, None, :]


def band(window: int, usable_BN: Tensor) -> Tensor:
    """True where a query may look at a key: real and within the window; [B, 1, G, W, 3W]."""
    near_WK = block_distances(window, usable_BN).abs() <= window
    return near_WK & key_values(usable_BN, window)


def block_distances(window: int, like: Tensor) -> Tensor:
    """Key position minus query position within one block, [W, 3W], on the device of ``like``."""
    return distances(window, 3 * window, like.device, offset=-window)


def joined(x_BHGWD: Tensor, N: int) -> Tensor:
    """Blocks back to tokens, the padding cut off."""
    return x_BHGWD.flatten(2, 3)[:, :, :N]
