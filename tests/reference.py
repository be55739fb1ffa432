"""The published SwarmFormer arithmetic, written plainly and apart from the package: the oracle of the tests.

Layer by layer after the description of Legg & Sturmanis (2025) and their parameter names. Nothing here
is imported by the package, and nothing of the package is imported here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ReferenceGate(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, width), nn.Sigmoid())


class ReferenceLocal(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.before, self.after = nn.Dropout(dropout), nn.Dropout(dropout)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width))
        self.gate_net = ReferenceGate(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        length = x.shape[1]
        rows = []
        for i in range(length):
            left, right = x[:, (i - 1) % length], x[:, (i + 1) % length]
            rows.append((left + x[:, i] + right) / 3)
        update = self.after(self.mlp(torch.stack(rows, dim=1)))
        gate = self.gate_net(torch.cat([x, update], dim=2))
        return (1 - gate) * x + gate * update


class ReferenceAttention(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.on_weights, self.on_output = nn.Dropout(dropout), nn.Dropout(dropout)

    def forward(self, c: Tensor) -> Tensor:
        scores = torch.einsum("bid,bjd->bij", self.query(c), self.key(c)) / c.shape[2] ** 0.5
        weights = self.on_weights(torch.exp(scores - scores.logsumexp(dim=2, keepdim=True)))
        return self.on_output(torch.einsum("bij,bjd->bid", weights, self.value(c)))


class ReferenceBroadcast(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(width, width), nn.Dropout(0.1)
        self.gate_net = ReferenceGate(width)

    def forward(self, x: Tensor, c: Tensor, cluster_size: int) -> Tensor:
        own = torch.stack([c[:, i // cluster_size] for i in range(x.shape[1])], dim=1)
        update = self.dropout(self.linear(own))
        return x + self.gate_net(torch.cat([x, update], dim=2)) * update


class ReferenceLayer(nn.Module):
    def __init__(self, width: int, dropout: float, T_local: int, cluster_size: int) -> None:
        super().__init__()
        self.local_agg = ReferenceLocal(width, dropout)
        self.global_attn = ReferenceAttention(width, dropout)
        self.broadcast = ReferenceBroadcast(width)
        self.T_local, self.cluster_size = T_local, cluster_size

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.T_local):
            x = self.local_agg(x)
        starts = range(0, x.shape[1], self.cluster_size)
        c = torch.stack([x[:, s : s + self.cluster_size].sum(dim=1) / self.cluster_size for s in starts], dim=1)
        return self.broadcast(x, self.global_attn(c), self.cluster_size)


class ReferenceSwarmFormer(nn.Module):
    """Logits for ids [B, N]; N must be divisible by the cluster size."""

    def __init__(
        self,
        vocab_size: int,
        width: int,
        layers: int = 2,
        T_local: int = 3,
        cluster_size: int = 4,
        classes: int = 2,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.embedding = nn.ModuleDict({"embed": nn.Embedding(vocab_size, width)})
        self.layers = nn.ModuleList(ReferenceLayer(width, dropout, T_local, cluster_size) for _ in range(layers))
        self.classifier = nn.Linear(width, classes)
        self.first, self.last = nn.Dropout(dropout), nn.Dropout(dropout)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.first(self.embedding["embed"](ids))
        for layer in self.layers:
            x = layer(x)
        return self.classifier(self.last(x.sum(dim=1) / x.shape[1]))
