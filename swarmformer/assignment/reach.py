"""Which clusters a token may go to, and the sums over tokens and clusters that follow from it.

Everything about a token and its candidate clusters is laid out by the reach:

``Everywhere``  candidates of a token are all C clusters: [B, N, C].
``Nearby``      the ±r clusters around the token's own chunk: [B, C, S, R], chunk by chunk of S tokens with
                R = 2r + 1 candidates. Memory and time grow as N·r, never as N·C.

X is any width. Positions are counted in tokens; the chunk of token i is i // S.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from swarmformer.assignment import near_products
from swarmformer.assignment.near_products import Near
from swarmformer.fast import applies


class Reach(ABC):
    """Layout of N tokens in chunks of ``size`` and the clusters they may go to."""

    def __init__(self, length: int, size: int, device: torch.device | None = None) -> None:
        self.length, self.size, self.device = length, size, device
        self.clusters = -(-length // size)

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
    """The chunk of a token and ``radius`` chunks on either side are candidates.

    On a CPU the products are those of ``near_products``; other devices and compilers get them whole.
    """

    def __init__(self, length: int, size: int, radius: int, device: torch.device | None = None) -> None:
        super().__init__(length, size, device)
        self.radius, self.candidates = radius, 2 * radius + 1
        self.near = Near(length, size, radius)

    def scores(self, k_bNX: Tensor, q_bCX: Tensor) -> Tensor:
        if applies(k_bNX):
            return near_products.scores(self.near, k_bNX, q_bCX)
        return self._chunks(k_bNX) @ self._around(q_bCX).transpose(2, 3)

    def distance(self) -> Tensor:
        place = torch.arange(self.size, device=self.device, dtype=torch.float32)
        offset = torch.arange(-self.radius, self.radius + 1, device=self.device, dtype=torch.float32) * self.size
        return (place[:, None] - offset - (self.size - 1) / 2).abs()

    def of_clusters(self, v_BC: Tensor) -> Tensor:
        return F.pad(v_BC, (self.radius, self.radius)).unfold(1, self.candidates, 1).unsqueeze(2)

    def of_tokens(self, v_BN: Tensor) -> Tensor:
        return self._chunks(v_BN.unsqueeze(-1))

    def own(self) -> Tensor:
        return torch.full((1, 1), self.radius, device=self.device)

    def total(self, weights: Tensor, x_BNX: Tensor) -> Tensor:
        if applies(x_BNX):
            return near_products.total(self.near, weights.to(x_BNX.dtype), x_BNX)
        return self._fold(weights.transpose(2, 3).to(x_BNX.dtype) @ self._chunks(x_BNX))

    def spread(self, weights: Tensor, c_BCX: Tensor) -> Tensor:
        if applies(c_BCX):
            return near_products.spread(self.near, weights.to(c_BCX.dtype), c_BCX)
        spread = weights.to(c_BCX.dtype) @ self._around(c_BCX)
        return rearrange(spread, "b c s x -> b (c s) x")[:, : self.length]

    def mass(self, weights: Tensor) -> Tensor:
        return self._fold(weights.sum(dim=2).unsqueeze(-1)).squeeze(-1)

    def _chunks(self, x_bNX: Tensor) -> Tensor:
        missing = self.clusters * self.size - self.length
        padded = F.pad(x_bNX, (0, 0, 0, missing)) if missing else x_bNX  # a pad of nothing is a copy too
        return rearrange(padded, "b (c s) x -> b c s x", s=self.size)

    def _around(self, c_bCX: Tensor) -> Tensor:
        """[b, C, R, X]: the clusters −r … +r around each; zero beyond the ends."""
        padded = F.pad(c_bCX, (0, 0, self.radius, self.radius))
        return padded.unfold(1, self.candidates, 1).transpose(2, 3)

    def _fold(self, part_BCRX: Tensor) -> Tensor:
        """Sum what chunk g gives to its candidate o into cluster g + o − r."""
        C, r = self.clusters, self.radius
        total = part_BCRX.new_zeros(part_BCRX.shape[0], C + 2 * r, part_BCRX.shape[3])
        for o in range(self.candidates):
            total = total + F.pad(part_BCRX[:, :, o], (0, 0, o, 2 * r - o))
        return total[:, r : r + C]

    def flops(self, B: int, width: int) -> int:
        return 2 * B * self.clusters * self.size * self.candidates * width


def reach_of(length: int, size: int, radius: int, device: torch.device | None = None) -> Reach:
    """``Nearby`` with a radius; radius 0 stands for no restriction."""
    return Nearby(length, size, radius, device) if radius else Everywhere(length, size, device)
