"""A binary tree over the clusters: what they have in common goes up, and comes back down through gates."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from einops import rearrange
from torch import Tensor, nn

from swarmformer.components.shared import Gate, divided, influence, norm_or_identity
from swarmformer.contracts import Cluster, Dims, Probability
from swarmformer.ops.dropout import Dropout
from swarmformer.ops.padding import filled
from swarmformer.registry import register


@register("cluster", "hierarchical")
class Hierarchical(Cluster):
    """Up a binary tree of means and down through gates; every cluster reaches every other, linear in C.

    Up: h = m + MLP(norm(m)), where m is the cluster itself, and above it the mean of two children, each
    weighed by exp(signal) summed over its clusters. Down: z = h + gate([norm(h); u])·u with
    u = W·norm(z of the parent); the root hears itself. All levels share weights. A node with one child is
    that child, up and down, so a text has the same tree alone and padded, and odd counts need no padding.
    The way between two clusters has about 2·log₂ C steps (our own; Ye et al. 2019 put a binary tree of
    spans over a text too, for attention).

    Options:
        dropout: on the MLP's result and on u.
    """

    no_decay = ("gate",)

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0) -> None:
        super().__init__()
        D = self.d_model = dims.d_model
        self.most = -(-dims.seq_len // dims.cluster_size)
        self.mlp = nn.Sequential(nn.Linear(D, D), nn.GELU(), nn.Linear(D, D))
        self.message = nn.Linear(D, D)
        self.gate = Gate(D)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        c_BCD: Tensor,
        mask_BC: Tensor | None = None,
        norm: nn.Module | None = None,
        signal_BC: Tensor | None = None,
    ) -> Tensor:
        norm = norm_or_identity(norm)
        z = self._tree(self._update(c_BCD, norm), influence(c_BCD, mask_BC, signal_BC), norm)
        return z if mask_BC is None else z * mask_BC.unsqueeze(-1)

    def stream(
        self,
        c_BCD: Tensor,
        mask_BC: Tensor | None = None,
        norm: nn.Module | None = None,
        signal_BC: Tensor | None = None,
        *,
        size: int,
    ) -> Iterator[Tensor]:
        """Subtrees of 2ⁿ ≤ ``size`` clusters: all of them up, the tree over their roots, each once more up and down."""
        norm, levels = norm_or_identity(norm), max(1, size).bit_length() - 1
        weight_BC1 = influence(c_BCD, mask_BC, signal_BC)
        leaves = [tensor.split(1 << levels, dim=1) for tensor in (c_BCD, weight_BC1)]
        h, w = (t.new_empty(t.shape[0], len(leaves[0]), t.shape[2]) for t in (c_BCD, weight_BC1))
        for at, (c, own) in enumerate(zip(*leaves, strict=True)):
            h[:, at : at + 1], w[:, at : at + 1] = self._climb(self._update(c, norm), own, levels, norm)[1:]
        roots = self._tree(h, w, norm).split(1, dim=1)
        masks = [None] * len(roots) if mask_BC is None else mask_BC.unsqueeze(-1).split(1 << levels, dim=1)
        for c, w, root, mask in zip(*leaves, roots, masks, strict=True):
            z = self._descend(self._climb(self._update(c, norm), w, levels, norm)[0], root, norm)
            yield z if mask is None else z * mask

    def _tree(self, h_BCD: Tensor, weight_BC1: Tensor, norm: nn.Module) -> Tensor:
        """Up to the root, and down again."""
        below, h, _ = self._climb(h_BCD, weight_BC1, self._levels(h_BCD.shape[1]), norm)
        return self._descend(below, self._hear(h, self._speak(h, norm), norm), norm)

    def _climb(
        self, h_BCD: Tensor, weight_BC1: Tensor, levels: int, norm: nn.Module
    ) -> tuple[list[tuple[Tensor, Tensor]], Tensor, Tensor]:
        """The nodes and weights of ``levels`` levels, lowest first, then those above them."""
        below: list[tuple[Tensor, Tensor]] = []
        for _ in range(levels):
            below.append((h_BCD, weight_BC1))
            h_BCD, weight_BC1 = self._up(h_BCD, weight_BC1, norm)
        return below, h_BCD, weight_BC1

    def _descend(self, below: list[tuple[Tensor, Tensor]], z_BCD: Tensor, norm: nn.Module) -> Tensor:
        for h_BCD, weight_BC1 in reversed(below):
            z_BCD = self._down(h_BCD, weight_BC1, z_BCD, norm)
        return z_BCD

    def _levels(self, C: int) -> int:
        """Above the clusters, for C of them; in an exported graph those of the longest text, for whatever comes. A
        level too many changes nothing."""
        return ((self.most if torch.compiler.is_exporting() else C) - 1).bit_length()

    def _up(self, h_BCD: Tensor, weight_BC1: Tensor, norm: nn.Module) -> tuple[Tensor, Tensor]:
        """Parents and their weights. One that has fewer than two children is not updated."""
        children, weight = _pairs(h_BCD), _pairs(weight_BC1)
        total = weight.sum(dim=2)
        mean = (children * divided(weight, total.unsqueeze(2)).to(h_BCD.dtype)).sum(dim=2)
        return torch.where((weight > 0).all(dim=2), self._update(mean, norm), mean), total

    def _down(self, h_BCD: Tensor, weight_BC1: Tensor, parent_BPD: Tensor, norm: nn.Module) -> Tensor:
        """Children after hearing their parents. An only child is its parent and takes over its state."""
        present = _pairs(weight_BC1 > 0)
        only = rearrange(present & ~present.flip(2), "b p two x -> b (p two) x")[:, : h_BCD.shape[1]]
        parent, heard = (_to_children(t, h_BCD.shape[1]) for t in (parent_BPD, self._speak(parent_BPD, norm)))
        return torch.where(only, parent, self._hear(h_BCD, heard, norm))

    def _update(self, m_BCD: Tensor, norm: nn.Module) -> Tensor:
        return m_BCD + self.dropout(self.mlp(norm(m_BCD)))

    def _speak(self, z_BCD: Tensor, norm: nn.Module) -> Tensor:
        return self.dropout(self.message(norm(z_BCD)))

    def _hear(self, h_BCD: Tensor, u_BCD: Tensor, norm: nn.Module) -> Tensor:
        return h_BCD + self.gate(norm(h_BCD), u_BCD) * u_BCD

    def flops(self, B: int, C: int) -> int:
        D, counts = self.d_model, [C]
        while counts[-1] > 1:
            counts.append(-(-counts[-1] // 2))
        nodes, speakers = sum(counts), sum(counts[1:]) + 1
        return 2 * B * (2 * nodes + speakers) * D * D + self.gate.flops(B * nodes)


def _pairs(x_BCX: Tensor) -> Tensor:
    """[B, C, X] → [B, ⌈C/2⌉, 2, X]; a last one without a neighbour gets zeros."""
    return rearrange(filled(x_BCX, 2), "b (p two) x -> b p two x", two=2)


def _to_children(x_BPX: Tensor, C: int) -> Tensor:
    return x_BPX.repeat_interleave(2, dim=1)[:, :C]
