"""The published SwarmFormer as it is computed in its own repository: eager, padded, one operation after another.

The reference that speeds are compared with. The arithmetic and the parameter names are those of the authors'
``model.py`` (takara-ai/SwarmFormer, commit 1b2f015); the code is ours, and shares nothing with ``swarmformer``, so
that a change there cannot slow it down.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Local(nn.Module):
    """One gated step towards the neighbours' mean; the ends wrap around."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout1, self.dropout2 = nn.Dropout(dropout), nn.Dropout(dropout)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width))
        self.gate_net = _gate(width)

    def forward(self, x_BND: Tensor) -> Tensor:
        x_BND = self.dropout1(x_BND)
        left_BND, right_BND = torch.roll(x_BND, 1, dims=1), torch.roll(x_BND, -1, dims=1)
        update_BND = self.dropout2(self.mlp((left_BND + x_BND + right_BND) / 3.0))
        gate_BND = self.gate_net(torch.cat([x_BND, update_BND], dim=-1))
        return x_BND + gate_BND * (update_BND - x_BND)


class ClusterAttention(nn.Module):
    """One head, no output projection; the matrix of weights is written out."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.attn_dropout, self.out_dropout = nn.Dropout(dropout), nn.Dropout(dropout)

    def forward(self, c_BCD: Tensor) -> Tensor:
        scores_BCC = torch.matmul(self.query(c_BCD), self.key(c_BCD).transpose(1, 2)) / c_BCD.shape[-1] ** 0.5
        weights_BCC = self.attn_dropout(torch.softmax(scores_BCC, dim=-1))
        return self.out_dropout(torch.matmul(weights_BCC, self.value(c_BCD)))


class Broadcast(nn.Module):
    """The linear map is taken of every token's copy of its cluster."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(width, width), nn.Dropout(0.1)
        self.gate_net = _gate(width)

    def forward(self, x_BND: Tensor, c_BCD: Tensor) -> Tensor:
        B, N, D = x_BND.shape
        C = c_BCD.shape[1]
        update_BND = self.dropout(self.linear(c_BCD.unsqueeze(2).expand(B, C, N // C, D))).view(B, N, D)
        return x_BND + self.gate_net(torch.cat([x_BND, update_BND], dim=-1)) * update_BND


class Layer(nn.Module):
    """Local steps, clusters, attention between them, broadcast."""

    def __init__(self, width: int, cluster_size: int, T_local: int, dropout: float) -> None:
        super().__init__()
        self.local_agg = Local(width, dropout)
        self.global_attn = ClusterAttention(width, dropout)
        self.broadcast = Broadcast(width)
        self.cluster_size, self.T_local = cluster_size, T_local

    def forward(self, x_BND: Tensor) -> Tensor:
        for _ in range(self.T_local):
            x_BND = self.local_agg(x_BND)
        B, N, D = x_BND.shape
        c_BCD = x_BND.view(B, N // self.cluster_size, self.cluster_size, D).mean(dim=2)
        return self.broadcast(x_BND, self.global_attn(c_BCD))


class PublishedSwarmFormer(nn.Module):
    """ids_BN → logits_BK; N must be a multiple of the cluster size. Pads are tokens like any other."""

    def __init__(
        self,
        *,
        vocab_size: int = 30522,
        width: int = 192,
        layers: int = 2,
        T_local: int = 3,
        cluster_size: int = 4,
        ends_dropout: float = 0.4,
        dropout: float = 0.3,
        classes: int = 2,
    ) -> None:
        super().__init__()
        self.embedding = nn.ModuleDict({"embed": nn.Embedding(vocab_size, width)})
        self.dropout_embedding, self.dropout_final = nn.Dropout(ends_dropout), nn.Dropout(ends_dropout)
        self.layers = nn.ModuleList(Layer(width, cluster_size, T_local, dropout) for _ in range(layers))
        self.classifier = nn.Linear(width, classes)

    def forward(self, ids_BN: Tensor) -> Tensor:
        x_BND = self.dropout_embedding(self.embedding["embed"](ids_BN))
        for layer in self.layers:
            x_BND = layer(x_BND)
        return self.classifier(self.dropout_final(x_BND.mean(dim=1)))


def _gate(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, width), nn.Sigmoid())
