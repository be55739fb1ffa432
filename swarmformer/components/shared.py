"""What components of several slots share: the published gate, the weight of a signal, heads, dropout, norms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from swarmformer.contracts import Assignment
from swarmformer.contracts.measure import Watched
from swarmformer.errors import SpecError
from swarmformer.ops.attention.masks import usable_keys
from swarmformer.ops.attention.plain import attention_weights, dense_mask
from swarmformer.ops.gating import Said, pair_linear

CLOSED = -2.0
"""Bias of a gate that starts closed: sigmoid(−2) = 0.12."""
HEAD_WIDTH = 32
"""Features that a head should have at least to tell tokens apart."""
LEAST = -40.0
"""Below exp(LEAST) of the greatest a cluster gives nothing: what rounding would drop, before it can underflow."""


class Gate(nn.Module):
    """sigmoid(W₂ GELU(W₁ [x; u])): how much of the update u each feature of x takes.

    x and u: [..., D] → [..., D] in (0, 1). ``shift`` [..., 1] is added before the sigmoid. ``closed``: the last bias
    starts at ``CLOSED`` instead of about 0, so that little passes.
    """

    def __init__(self, d_model: int, *, closed: bool = False) -> None:
        super().__init__()
        self.d_model = d_model
        self.net = nn.Sequential(nn.Linear(2 * d_model, d_model), nn.GELU(), nn.Linear(d_model, d_model))
        if closed:
            nn.init.constant_(self.net[2].bias, CLOSED)  # type: ignore[arg-type]

    def forward(self, x: Tensor, u: Tensor | Said, shift: Tensor | None = None) -> Tensor:
        first, activation, second = self.net
        score = second(activation(pair_linear(x, u, first.weight, first.bias)))  # type: ignore[arg-type]
        return opened(score, shift, x)

    def flops(self, tokens: int) -> int:
        return 2 * tokens * (2 * self.d_model * self.d_model + self.d_model * self.d_model)


def opened(score: Tensor, shift: Tensor | None, x: Tensor) -> Tensor:
    """sigmoid(score + shift) for a gate of x. A shift is fp32, but where weights and x are bf16 all stays so."""
    if shift is None:
        return score.sigmoid()
    return (score + shift).sigmoid().to(torch.promote_types(score.dtype, x.dtype))


def dropout_now(module: nn.Module, p: float) -> float:
    """``p`` while the module trains, else 0: for operations that drop out what they compute within."""
    return p if module.training else 0.0


def norm_or_identity(norm: nn.Module | None) -> nn.Module:
    return nn.Identity() if norm is None else norm


def shift_of(assignment: Assignment) -> Tensor | None:
    """The signal of each token's clusters, [B, N, 1], for the gate; None where the router gives none."""
    if assignment.signal_BC is None:
        return None
    return assignment.broadcast(assignment.signal_BC.unsqueeze(-1))


def influence(c_BCD: Tensor, mask_BC: Tensor | None, signal_BC: Tensor | None) -> Tensor:
    """How much clusters give to each other where there are no scores to add their signal to (``contracts.Cluster``).

    exp(signal), up to a factor per text, [B, C, 1] in float32 or better; zero where masked.

    The largest is 1, so nothing overflows: whoever uses it divides by its sum or its norm. A text whose
    clusters are all masked, or all have a signal of −∞, has only zeros.
    """
    wide = torch.promote_types(c_BCD.dtype, torch.float32)
    signal = c_BCD.new_zeros(c_BCD.shape[:2], dtype=wide) if signal_BC is None else signal_BC.to(wide)
    if mask_BC is not None:
        signal = signal.masked_fill(~mask_BC, float("-inf"))
    signal = signal - signal.detach().amax(dim=-1, keepdim=True).clamp(min=torch.finfo(wide).min)
    return signal.masked_fill(signal < LEAST, float("-inf")).exp().unsqueeze(-1)


def divided(weight: Tensor, total: Tensor) -> Tensor:
    """weight / total, where zero by zero is zero, also for the gradient."""
    return weight / total.masked_fill(total == 0, 1.0)


def watch_attention(
    watched: Watched,
    q_BHND: Tensor,
    k_BHND: Tensor,
    mask_BN: Tensor | None,
    signal_BN: Tensor | None = None,
    window: int | None = None,
    bias_HR: Tensor | None = None,
) -> None:
    """Add the measures of attention among one set; see ``ops.attention.attend`` for what is passed."""
    N, (usable_BN, _) = q_BHND.shape[-2], usable_keys(mask_BN, signal_BN)
    weights_BHNN = attention_weights(q_BHND, k_BHND, mask_BN, signal_BN, window, bias_HR)
    watched.attention(weights_BHNN, dense_mask(usable_BN, window, N, N, q_BHND.device), mask_BN)


def heads_of_width(heads: int, d_model: int, least: int) -> int:
    """As many of ``heads`` as divide ``d_model`` into parts of ``least`` features or more; one where none do."""
    return next((count for count in range(heads, 1, -1) if d_model % count == 0 and d_model // count >= least), 1)


def head_remarks(asked: int, heads: int, d_model: int) -> tuple[str, ...]:
    """Of several heads that became one, or that are narrower than ``HEAD_WIDTH``."""
    if asked > 1 and heads == 1:
        return (f"d_model {d_model} has no room for {asked} heads, so there is one",)
    narrow = heads > 1 and d_model // heads < HEAD_WIDTH
    mend = f"set head_width: {HEAD_WIDTH}, or fewer heads"
    return (f"heads of {d_model // heads} features, narrower than {HEAD_WIDTH}: {mend}",) if narrow else ()


def check_heads(component: str, heads: int, d_model: int, path: tuple[str, ...] = ("heads",)) -> None:
    """Raise SpecError unless ``heads`` divides ``d_model``; names the head counts that do, and ``path`` as the key."""
    if heads < 1 or d_model % heads:
        fit = [str(h) for h in range(1, d_model + 1) if d_model % h == 0 and h <= 16]
        raise SpecError(
            f"{component}: heads = {heads} does not divide d_model = {d_model}; use one of {', '.join(fit)}",
            path=path,
        )
