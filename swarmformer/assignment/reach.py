"""Which clusters a token may go to, the sums over tokens and clusters that follow from it, and assignments of these.

Everything about a token and its candidate clusters is laid out by the reach:

``Everywhere``  candidates of a token are all C clusters: [B, N, C].
``Nearby``      the ±r clusters around the token's own chunk: [B, C, S, R], chunk by chunk of S tokens with
                R = 2r + 1 candidates. Memory and time grow as N·r, never as N·C.

X is any width. Positions are counted in tokens; the chunk of token i is i // S.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.contracts import Assignment
from swarmformer.ops import near
from swarmformer.ops.near import Near
from swarmformer.ops.padding import chunk_count

LEAST_MASS = 1.0
"""A cluster with less than one token's worth of weight fades to zero instead of dividing by almost nothing
(compare the guard of 1.0 in GroupViT, Xu et al. 2022)."""


class Reach(ABC):
    """Layout of N tokens in chunks of ``size`` and the clusters they may go to."""

    def __init__(self, length: int, size: int, device: torch.device | None = None) -> None:
        self.length, self.size, self.device = length, size, device
        self.clusters = chunk_count(length, size)

    @abstractmethod
    def scores(self, k_bNX: Tensor, q_bCX: Tensor) -> Tensor:
        """Products of each token with its candidates; b is B, or 1 where no text matters."""

    @abstractmethod
    def distance(self) -> Tensor:
        """Tokens between each token and the centre of each candidate chunk, fp32, without batch."""

    @abstractmethod
    def of_clusters(self, v_BC: Tensor) -> Tensor:
        """A value per cluster, laid out beside the candidates; False or 0 where there is no cluster."""

    @abstractmethod
    def of_tokens(self, v_BN: Tensor) -> Tensor:
        """A value per token, laid out beside the candidates."""

    @abstractmethod
    def own(self) -> Tensor:
        """Which candidate is the token's own chunk (int64, broadcastable to one value per token)."""

    @abstractmethod
    def total(self, weights: Tensor, x_BNX: Tensor) -> Tensor:
        """Σ_i a_ij x_i for every cluster j: [B, C, X]."""

    @abstractmethod
    def spread(self, weights: Tensor, c_BCX: Tensor) -> Tensor:
        """Σ_j a_ij c_j for every token i: [B, N, X]."""

    @abstractmethod
    def mass(self, weights: Tensor) -> Tensor:
        """Σ_i a_ij for every cluster j: [B, C]."""

    @abstractmethod
    def flops(self, B: int, width: int) -> int:
        """One of ``scores``, ``total`` or ``spread`` for B texts, X = ``width``."""


class Everywhere(Reach):
    """Every cluster is a candidate."""

    def scores(self, k_bNX: Tensor, q_bCX: Tensor) -> Tensor:
        return k_bNX @ q_bCX.transpose(1, 2)

    def distance(self) -> Tensor:
        tokens = torch.arange(self.length, device=self.device, dtype=torch.float32)
        centres = torch.arange(self.clusters, device=self.device, dtype=torch.float32) * self.size
        return (tokens[:, None] - centres - (self.size - 1) / 2).abs()

    def of_clusters(self, v_BC: Tensor) -> Tensor:
        return v_BC.unsqueeze(1)

    def of_tokens(self, v_BN: Tensor) -> Tensor:
        return v_BN.unsqueeze(-1)

    def own(self) -> Tensor:
        return torch.arange(self.length, device=self.device) // self.size

    def total(self, weights: Tensor, x_BNX: Tensor) -> Tensor:
        return weights.transpose(1, 2).to(x_BNX.dtype) @ x_BNX

    def spread(self, weights: Tensor, c_BCX: Tensor) -> Tensor:
        return weights.to(c_BCX.dtype) @ c_BCX

    def mass(self, weights: Tensor) -> Tensor:
        return weights.sum(dim=1)

    def flops(self, B: int, width: int) -> int:
        return 2 * B * self.length * self.clusters * width


class Nearby(Reach):
    """The chunk of a token and ``radius`` chunks on either side are candidates."""

    def __init__(self, length: int, size: int, radius: int, device: torch.device | None = None) -> None:
        super().__init__(length, size, device)
        self.radius, self.near = radius, Near(length, size, radius)

    def scores(self, k_bNX: Tensor, q_bCX: Tensor) -> Tensor:
        return near.scores(self.near, k_bNX, q_bCX)

    def distance(self) -> Tensor:
        place = torch.arange(self.size, device=self.device, dtype=torch.float32)
        offset = torch.arange(-self.radius, self.radius + 1, device=self.device, dtype=torch.float32) * self.size
        return (place[:, None] - offset - (self.size - 1) / 2).abs()

    def of_clusters(self, v_BC: Tensor) -> Tensor:
        return F.pad(v_BC, (self.radius, self.radius)).unfold(1, self.near.candidates, 1).unsqueeze(2)

    def of_tokens(self, v_BN: Tensor) -> Tensor:
        return self.near.chunks(v_BN.unsqueeze(-1))

    def own(self) -> Tensor:
        return torch.full((1, 1), self.radius, device=self.device)

    def total(self, weights: Tensor, x_BNX: Tensor) -> Tensor:
        return near.total(self.near, weights.to(x_BNX.dtype), x_BNX)

    def spread(self, weights: Tensor, c_BCX: Tensor) -> Tensor:
        return near.spread(self.near, weights.to(c_BCX.dtype), c_BCX)

    def mass(self, weights: Tensor) -> Tensor:
        return self.near.fold(weights.sum(dim=2).unsqueeze(-1)).squeeze(-1)

    def flops(self, B: int, width: int) -> int:
        return 2 * B * self.clusters * self.size * self.near.candidates * width


def reach_of(length: int, size: int, radius: int, device: torch.device | None = None) -> Reach:
    """``Nearby`` with a radius; radius 0 stands for no restriction."""
    return Nearby(length, size, radius, device) if radius else Everywhere(length, size, device)


class WeightedAssignment(Assignment):
    """c_j = Σ_i a_ij x_i / max(Σ_i a_ij, 1); x_i = Σ_j a_ij c_j.

    ``weights`` (fp32) are laid out by ``reach``; rows of pads are zero, rows of real tokens sum to one.
    """

    cluster_mask_BC: Tensor

    def __init__(self, reach: Reach, weights: Tensor, cluster_mask_BC: Tensor) -> None:
        super().__init__()
        self.reach, self.weights, self.cluster_mask_BC = reach, weights, cluster_mask_BC
        self.mass_BC = reach.mass(weights)

    def pool(self, x_BND: Tensor) -> Tensor:
        total_BCD = self.reach.total(self.weights, x_BND)
        return total_BCD / self.mass_BC.clamp(min=LEAST_MASS).unsqueeze(-1).to(total_BCD.dtype)

    def broadcast(self, c_BCX: Tensor) -> Tensor:
        return self.reach.spread(self.weights, c_BCX)
