"""Induced set attention: clusters talk through a few learned latents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from einops import rearrange
from torch import Tensor, nn

from swarmformer.components.shared import check_heads, dropout_now, norm_or_identity
from swarmformer.contracts import AtLeastOne, Cluster, Dims, Probability
from swarmformer.ops.attention import attend
from swarmformer.ops.attention.plain import log_total
from swarmformer.ops.dropout import Dropout
from swarmformer.ops.running import RunningMean
from swarmformer.registry import register


class CrossAttention(nn.Module):
    """Multi-head attention to x_BKD, of queries [B, Q, D] or of the same queries [Q, D] in every text."""

    def __init__(self, D: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value, self.out = (nn.Linear(D, D) for _ in range(4))

    def forward(
        self, queries: Tensor, x_BKD: Tensor, mask_BK: Tensor | None = None, signal_BK: Tensor | None = None
    ) -> Tensor:
        q, k, v = self._projected(queries, x_BKD)
        dropout_p = dropout_now(self, self.dropout)
        mixed_BHQD = attend(q, k, v, mask_BM=mask_BK, signal_BM=signal_BK, dropout_p=dropout_p)
        return self.out(rearrange(mixed_BHQD, "b h q d -> b q (h d)"))

    def gathered(self, queries: Tensor, parts: Iterable[tuple[Tensor, Tensor | None, Tensor | None]]) -> Tensor:
        """The same over x_BKD, mask and signal that come in parts: what each says weighs as its scores do (the running
        softmax of Milakov & Gimelshein 2018)."""
        mean = RunningMean()
        for x_BKD, mask_BK, signal_BK in parts:
            q, k, v = self._projected(queries, x_BKD)
            mixed_BHQD = attend(q, k, v, mask_BM=mask_BK, signal_BM=signal_BK)
            mean.add(mixed_BHQD, log_total(q, k, mask_BK, signal_BK))
        return self.out(rearrange(mean.mean(queries.dtype), "b h q d -> b q (h d)"))

    def _projected(self, queries: Tensor, x_BKD: Tensor) -> list[Tensor]:
        q_BQD = self.query(queries).expand(x_BKD.shape[0], -1, -1)  # len ties a traced graph to one size
        return [rearrange(t, "b k (h d) -> b h k d", h=self.heads) for t in (q_BQD, self.key(x_BKD), self.value(x_BKD))]


@register("cluster", "latent")
class Latent(Cluster):
    """Latents attend to clusters, then clusters to latents; linear in C (Lee et al. 2019, ISAB).

    h = l + attention(l, norm(c), norm(c)); out = attention(norm(c), norm(h), norm(h)), with m learned latents
    l. The latents keep their residual, to stay apart; the clusters have none, like cluster.attention. The
    feed-forward blocks of the paper are left out.

    Options:
        latents: m; with one, every cluster hears the same, and nothing is left to learn about whom to ask.
        heads: must divide d_model.
        dropout: on the attention weights and on the output.
    """

    sees_order = False
    test_options = ({"latents": 2, "heads": 1}, {"latents": 20, "heads": 16})

    def __init__(
        self,
        dims: Dims,
        *,
        latents: AtLeastOne = 8,
        heads: int = 4,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        check_heads("cluster.latent", heads, dims.d_model)
        self.d_model, self.latents = dims.d_model, latents
        self.latent_MD = nn.Parameter(torch.randn(latents, dims.d_model))
        self.gather = CrossAttention(dims.d_model, heads, dropout)
        self.spread = CrossAttention(dims.d_model, heads, dropout)
        self.out_dropout = Dropout(dropout)

    def forward(
        self,
        c_BCD: Tensor,
        mask_BC: Tensor | None = None,
        norm: nn.Module | None = None,
        signal_BC: Tensor | None = None,
    ) -> Tensor:
        norm = norm_or_identity(norm)
        x_BCD = norm(c_BCD)
        h_BMD = norm(self.latent_MD + self.gather(self.latent_MD, x_BCD, mask_BC, signal_BC))
        mixed_BCD = self.out_dropout(self.spread(x_BCD, h_BMD))
        return mixed_BCD if mask_BC is None else mixed_BCD * mask_BC.unsqueeze(-1)

    def stream(
        self,
        c_BCD: Tensor,
        mask_BC: Tensor | None = None,
        norm: nn.Module | None = None,
        signal_BC: Tensor | None = None,
        *,
        size: int,
    ) -> Iterator[Tensor]:
        norm = norm_or_identity(norm)
        cut = [[None] * -(-c_BCD.shape[1] // size) if t is None else t.split(size, 1) for t in (mask_BC, signal_BC)]
        parts = list(zip(c_BCD.split(size, dim=1), *cut, strict=True))
        heard = self.gather.gathered(self.latent_MD, ((norm(c), mask, signal) for c, mask, signal in parts))
        h_BMD = norm(self.latent_MD + heard)
        for c, mask, _ in parts:
            mixed = self.spread(norm(c), h_BMD)
            yield mixed if mask is None else mixed * mask.unsqueeze(-1)

    def flops(self, B: int, C: int) -> int:
        D, M = self.d_model, self.latents
        # Latents are projected to queries once for all texts, and to keys, values and results per text.
        projections = 2 * (M + 3 * B * M + 4 * B * C) * D * D
        return projections + 2 * 2 * 2 * B * M * C * D
