"""What a router tells of itself while it trains."""

from __future__ import annotations

import torch
from torch import Tensor

from swarmformer.assignment.assignment import WeightedAssignment
from swarmformer.assignment.losses import mean_over_texts

DEAD = 0.01
"""A cluster with less than this part of its equal share of tokens counts as dead."""


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
