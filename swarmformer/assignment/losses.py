"""Auxiliary losses of a router and what it tells of itself, over real tokens, averaged over texts that have any.

Shapes: per token and candidate as laid out by a ``Reach``; every loss is a scalar, fp32.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.assignment.reach import Reach, WeightedAssignment

CONTRAST = 0.1
"""Temperature of the coherence loss."""
DEAD = 0.01
"""A cluster with less than this part of its equal share of tokens counts as dead."""


@dataclass(frozen=True)
class Routing:
    """What a router decided: scores are what was learned, logits have the prior and the mask too."""

    assignment: WeightedAssignment
    scores: Tensor
    logits: Tensor
    allowed: Tensor
    real_BN: Tensor
    x_BND: Tensor


@dataclass(frozen=True)
class Auxiliary:
    """Weighted auxiliary losses by name; a weight of zero leaves the loss out."""

    balance: float
    z: float
    coherence: float
    coherence_warmup: float

    def __call__(self, routing: Routing, progress: Tensor) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        if self.balance:
            losses["balance"] = self.balance * balance_loss(routing.assignment, routing.logits, routing.real_BN)
        if self.z:
            reach = routing.assignment.reach
            losses["z"] = self.z * z_loss(reach, routing.scores, routing.allowed, routing.real_BN)
        if self.coherence:
            weight = self.coherence * (progress >= self.coherence_warmup).float()
            losses["coherence"] = weight * coherence_loss(routing.assignment, routing.x_BND, routing.real_BN)
        return losses


def mean_over_texts(value_B: Tensor, tokens_B: Tensor) -> Tensor:
    """Mean over the texts that have tokens; zero where none has."""
    some_B = (tokens_B > 0).to(value_B.dtype)
    return (value_B * some_B).sum() / some_B.sum().clamp(min=1.0)


def balance_loss(assignment: WeightedAssignment, logits: Tensor, real_BN: Tensor) -> Tensor:
    """V · Σ_j f_j P_j over the V clusters of a text: 1 where all clusters get alike (Fedus et al. 2022, eq. 4).

    f_j is the share of tokens whose likeliest cluster is j (no gradient), P_j the mean probability of j.
    """
    reach, chances = assignment.reach, logits.softmax(dim=-1)
    real = reach.of_tokens(real_BN).to(chances.dtype)
    tokens_B = real_BN.sum(dim=1).to(chances.dtype)
    # Not F.one_hot, which looks at the values of its input.
    likeliest = torch.zeros_like(chances).scatter(-1, chances.argmax(dim=-1, keepdim=True), 1.0)
    share_BC = reach.mass(likeliest * real) / tokens_B.clamp(min=1.0).unsqueeze(-1)
    mean_BC = reach.mass(chances * real) / tokens_B.clamp(min=1.0).unsqueeze(-1)
    return mean_over_texts(assignment.cluster_mask_BC.sum(dim=1) * (share_BC * mean_BC).sum(dim=1), tokens_B)


def z_loss(reach: Reach, scores: Tensor, allowed: Tensor, real_BN: Tensor) -> Tensor:
    """Mean (log Σ_j e^score_ij)² over real tokens: keeps scores small (Zoph et al. 2022, eq. 5).

    Of the learned scores alone: the distance to the chunks is a prior and not punished.
    """
    real = reach.of_tokens(real_BN).squeeze(-1)
    size = scores.masked_fill(~allowed, float("-inf")).logsumexp(dim=-1).square().masked_fill(~real, 0.0)
    return size.sum() / real_BN.sum().clamp(min=1)


def coherence_loss(assignment: WeightedAssignment, z_BND: Tensor, real_BN: Tensor) -> Tensor:
    """Cross entropy between a token's weights and the softmax of cos(token, cluster mean) / 0.1.

    The means are detached; candidates are those of the reach, so that the cost stays that of routing.
    """
    reach, z_BND = assignment.reach, z_BND.float()
    mean_BCD = F.normalize(assignment.pool(z_BND).detach(), dim=-1)
    cosine = reach.scores(F.normalize(z_BND, dim=-1), mean_BCD)
    present = reach.of_clusters(assignment.cluster_mask_BC)
    likeness = (cosine / CONTRAST).masked_fill(~present, -1e9).log_softmax(dim=-1)
    loss = -(assignment.weights * likeness).sum()
    return loss / real_BN.sum().clamp(min=1)


def coherence(assignment: WeightedAssignment, z_BND: Tensor) -> Tensor:
    """κ_j = ‖Σ_i a_ij ẑ_i‖ / Σ_i a_ij: 1 where a cluster's tokens all point the same way, [B, C], fp32."""
    summed_BCD = assignment.reach.total(assignment.weights, F.normalize(z_BND.float(), dim=-1))
    return torch.linalg.vector_norm(summed_BCD, dim=-1) / assignment.mass_BC.clamp(min=1e-6)


@torch.no_grad()
def routing_telemetry(assignment: WeightedAssignment, logits: Tensor, real_BN: Tensor) -> dict[str, Tensor]:
    """Scalars over the texts of a batch.

    effective_clusters: exp(entropy of the clusters' shares of tokens) / clusters, 1 where all are alike.
    dead_share: share of clusters that get (almost) no token.
    agreement: share of tokens whose likeliest cluster is the chunk they stand in.
    """
    tokens_B = real_BN.sum(dim=1).float()
    present_BC = assignment.cluster_mask_BC
    clusters_B = present_BC.sum(dim=1).clamp(min=1)
    share_BC = assignment.mass_BC / tokens_B.clamp(min=1.0).unsqueeze(-1)
    entropy_B = torch.special.entr(share_BC).sum(dim=1)
    dead_BC = (share_BC * clusters_B.unsqueeze(-1) < DEAD) & present_BC
    real = assignment.reach.of_tokens(real_BN).squeeze(-1)
    agrees = (logits.argmax(dim=-1) == assignment.reach.own()) & real
    return {
        "effective_clusters": mean_over_texts(entropy_B.exp() / clusters_B, tokens_B),
        "dead_share": mean_over_texts(dead_BC.sum(dim=1) / clusters_B, tokens_B),
        "agreement": agrees.sum() / real_BN.sum().clamp(min=1),
    }
