"""Layers of Lumenspark (Therrien 2024), with the published package's arithmetic and parameter names."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from swarmformer.components.shared import dropout_now
from swarmformer.contracts import Past
from swarmformer.models.parts import linear_flops
from swarmformer.ops.attention import attend
from swarmformer.ops.dropout import Dropout


class LowRankLinear(nn.Sequential):
    """V·U·x without bias: rank·(inputs + outputs) parameters in place of inputs·outputs."""

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.U = nn.Linear(inputs, rank, bias=False)
        self.V = nn.Linear(rank, outputs, bias=False)


class RMSNorm(nn.Module):
    """scale · x / (rms(x) + eps): eps is added to the root, where the usual norm adds it to the mean square."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        rms = x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5
        return self.scale * x / (rms + self.eps)


class LinformerAttention(nn.Module):
    """Every token attends to k mixtures of the text's tokens (Wang et al. 2020, Linformer): linear in N.

    ``key_proj`` [seq_len, k] mixes along the text, so each mixture holds tokens from everywhere in it.
    A causal query must see mixtures of its past alone, K_i = Σ_{n≤i} E_n k_n. Its scores are then the past's
    scores, mixed: ((q kᵀ) ∘ past) E; and its output the weights, unmixed: ((softmax Eᵀ) ∘ past) v. That is
    exact, quadratic in N, and ours: Linformer is an encoder, and the package leaks. Going on from there takes the
    mixtures so far alone, however long the text: K_i = K_{i−1} + E_i k_i, a cache of one size.

    Args:
        shared_kv: values are the keys, mixed alike.
        single_kv_head: all heads share keys and values of one head's width.
    """

    def __init__(
        self,
        D: int,
        seq_len: int,
        *,
        k: int,
        heads: int,
        rank: int,
        shared_kv: bool,
        single_kv_head: bool,
        causal: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.seq_len, self.k, self.heads, self.causal = seq_len, k, heads, causal
        self.shared_kv = shared_kv
        self.kv_width = D // heads if single_kv_head else D
        self.query_transform = nn.Sequential(LowRankLinear(D, D // 2, rank), nn.Linear(D // 2, D))
        self.key_transform = nn.Linear(D, self.kv_width, bias=False)
        self.key_proj = _projection(seq_len, k)
        if not shared_kv:
            self.value_transform = nn.Linear(D, self.kv_width, bias=False)
            self.value_proj = _projection(seq_len, k)
        self.dropout_layer = Dropout(dropout)
        self.output_transform = nn.Linear(D, D)

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, past: Past | None = None, start: int = 0) -> Tensor:
        """Pads are in no mixture.

        Args:
            past: of a causal layer, the mixtures of the ``start`` tokens before these, to which these are added.

        Raises:
            ValueError: more tokens than ``seq_len``.
        """
        N = start + x_BND.shape[1]
        if self.seq_len < N:
            raise ValueError(f"{N} tokens, but it was built for seq_len = {self.seq_len}; raise model.dims.seq_len")
        q_BHNE = rearrange(self.query_transform(x_BND), "b n (h e) -> b h n e", h=self.heads)
        key, key_mix = _hide(self.key_transform(x_BND), mask_BN), self.key_proj[start:N]
        value, value_mix = key, key_mix
        if not self.shared_kv:
            value, value_mix = _hide(self.value_transform(x_BND), mask_BN), self.value_proj[start:N]
        if self.causal:
            mixed_BHNE = self._mix_past(q_BHNE, key, value, key_mix, value_mix, past or {})
            if past is not None:
                self._remember(past, key, value, key_mix, value_mix)
        else:
            mixed_BHNE = self._mix(q_BHNE, key, value, key_mix, value_mix)
        return self.output_transform(rearrange(mixed_BHNE, "b h n e -> b n (h e)"))

    def _mix(self, q_BHNE: Tensor, key: Tensor, value: Tensor, key_mix_NK: Tensor, value_mix_NK: Tensor) -> Tensor:
        keys_BHKE = self._heads(key_mix_NK.T @ key)
        values_BHKE = keys_BHKE if self.shared_kv else self._heads(value_mix_NK.T @ value)
        dropout_p = dropout_now(self, self.dropout_layer.p)
        return attend(q_BHNE, keys_BHKE, values_BHKE, dropout_p=dropout_p)

    def _mix_past(
        self, q_BHNE: Tensor, key: Tensor, value: Tensor, key_mix_NK: Tensor, value_mix_NK: Tensor, past: Past
    ) -> Tensor:
        N, E = q_BHNE.shape[-2:]
        past_NN = torch.ones(N, N, dtype=q_BHNE.dtype, device=q_BHNE.device).tril()
        scores_BHNN = q_BHNE @ self._heads(key).mT * E**-0.5
        scores_BHNK = (scores_BHNN * past_NN) @ key_mix_NK
        if past:
            scores_BHNK = scores_BHNK + q_BHNE @ self._heads(past["keys"]).mT * E**-0.5
        weights_BHNK = self.dropout_layer(scores_BHNK.softmax(dim=-1))
        mixed_BHNE = ((weights_BHNK @ value_mix_NK.T) * past_NN) @ self._heads(value)
        if past:
            mixed_BHNE = mixed_BHNE + weights_BHNK @ self._heads(past["values"])
        return mixed_BHNE

    def _remember(self, past: Past, key: Tensor, value: Tensor, key_mix_NK: Tensor, value_mix_NK: Tensor) -> None:
        """Add tokens to the mixtures, [B, k, E or D]."""
        for name, mixture in (("keys", key_mix_NK.T @ key), ("values", value_mix_NK.T @ value)):
            past[name] = past[name] + mixture if name in past else mixture

    def _heads(self, x: Tensor) -> Tensor:
        E = self.output_transform.in_features // self.heads
        return rearrange(x, "b m (g e) -> b g m e", e=E).expand(-1, self.heads, -1, -1)

    def flops(self, B: int, N: int) -> int:
        D, k, streams = self.output_transform.in_features, self.k, 1 if self.shared_kv else 2
        if self.causal:
            return linear_flops(self, B * N) + 2 * 2 * B * N * N * (D + self.heads * k)
        return linear_flops(self, B * N) + 2 * B * N * k * self.kv_width * streams + 2 * 2 * B * N * k * D


def _projection(rows: int, columns: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, columns)))


def _hide(x_BNE: Tensor, mask_BN: Tensor | None) -> Tensor:
    return x_BNE if mask_BN is None else x_BNE * mask_BN.unsqueeze(-1)
