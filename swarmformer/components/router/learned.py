"""Enhancements 3 and 8: tokens choose their clusters, softly or by Gumbel-softmax."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.assignment.losses import Auxiliary, Routing, coherence, routing_telemetry
from swarmformer.assignment.reach import Reach, WeightedAssignment, reach_of
from swarmformer.assignment.sampling import Sampling, sample
from swarmformer.components.embedding.token_position import sinusoids
from swarmformer.components.router.fixed_chunk import ChunkAssignment
from swarmformer.contracts import AtLeastOne, Dims, Probability, Router
from swarmformer.contracts.measure import Measure, Watched
from swarmformer.registry import register

Weight = Annotated[float, Field(ge=0)]
Temperature = Annotated[float, Field(ge=1e-6, le=1e3)]
LEAST_COHERENCE = 1e-4
HOLD = 1.0
"""From this λ on the next chunk starts with 1/e of the weight of its own, or less, even for a token at the border."""


@register("router", "learned")
class Learned(Router):
    """logits_ij = k_i·q_j / √width − λ·|i − centre_j|; weights over clusters pool and broadcast (enhancements 3, 8).

    Keys come from the token, queries from the mean of the chunk (both over their root mean square) plus a learned
    vector per cluster (``content``), or both from their place alone (``position``). Queries start at zero and λ is
    large, so that training starts at the fixed chunks; λ is learned. Everything from the logits on is fp32.
    Sources: Puigcerver et al. 2024 (Soft MoE), Locatello et al. 2020 (Slot Attention), Jang et al. 2017.

    Options:
        logits: what decides, ``content`` or ``position``.
        sampling: ``softmax`` (soft) or ``gumbel`` (one-hot, straight-through, noise only in training).
        width: of keys and queries.
        radius: only ±radius neighbouring clusters are candidates, linear in N; 0 lets tokens go anywhere.
        distance: λ at the start, per token of distance; 0 leaves the term out.
        release: λ falls by e^(−release · share of training done) beside what it learns; 0: by learning alone.
        temperature, anneal, min_temperature: τ = temperature · e^(−anneal · share of training done), but never below
            ``min_temperature`` or, if that is less, ``temperature``.
        balance_weight, z_weight, coherence_weight: of the auxiliary losses, 0 = off.
        coherence_warmup: share of the training without the coherence loss.
        coherence_signal: clusters whose tokens disagree weigh less as keys and at the gate (log κ).
        frozen: random weights that are never trained (a placebo); use it with ``distance: 0``.
    """

    test_options = (
        {"radius": 1},
        {"logits": "content", "distance": 0.0, "z_weight": 0.1, "balance_weight": 0.1, "coherence_weight": 0.1},
        {"logits": "content", "radius": 2, "coherence_signal": True, "sampling": "gumbel", "distance": 0.2},
        {"logits": "content", "release": 8.0},
    )
    measures = {
        "agreement": Measure("tokens whose likeliest cluster is their chunk", most=0.9),
        "effective_clusters": Measure("effective clusters over clusters"),
        "dead_share": Measure("clusters without tokens"),
        "temperature": Measure("temperature of the softmax"),
        "distance": Measure("λ, per token of distance"),
    }
    whole_batch = True
    means_over = {"z": "tokens", "coherence": "tokens", "agreement": "tokens"}
    progress: Tensor
    place_ND: Tensor

    def __init__(
        self,
        dims: Dims,
        *,
        logits: Literal["content", "position"] = "position",
        sampling: Sampling = "softmax",
        width: AtLeastOne = 32,
        radius: Annotated[int, Field(ge=0)] = 0,
        distance: Weight = 4.0,
        release: Weight = 0.0,
        temperature: Temperature = 1.0,
        anneal: Weight = 0.0,
        min_temperature: Temperature = 0.5,
        balance_weight: Weight = 0.0,
        z_weight: Weight = 0.0,
        coherence_weight: Weight = 0.0,
        coherence_warmup: Probability = 0.1,
        coherence_signal: bool = False,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if release and not distance:
            raise ValueError("router.learned: release lets go of a distance, which is 0: set one, or leave release out")
        self.d_model, self.by_content, self.sampling = dims.d_model, logits == "content", sampling
        self.width, self.radius, self.signals = width, radius, coherence_signal
        self.hold, self.release = distance, release
        self.temperature, self.anneal, self.min_temperature = temperature, anneal, min_temperature
        self.auxiliary = Auxiliary(balance_weight, z_weight, coherence_weight, coherence_warmup)
        self.key = nn.Linear(dims.d_model, width, bias=False)
        self.query = nn.Linear(dims.d_model, width, bias=False) if self.by_content else None
        self.slot_CX = nn.Parameter(torch.zeros(-(-dims.seq_len // dims.cluster_size), width))
        self.log_distance = nn.Parameter(torch.tensor(math.log(distance))) if distance else None
        self.register_buffer("progress", torch.zeros(()))
        if not self.by_content:
            self.register_buffer("place_ND", sinusoids(dims.seq_len, dims.d_model), persistent=False)
        self._start(frozen)

    def _start(self, frozen: bool) -> None:
        """Uniform chunks, or random scores of about unit variance that stay as they are."""
        if self.query is not None:
            nn.init.zeros_(self.query.weight)
        if frozen:
            for weight in (self.key.weight, *([] if self.query is None else [self.query.weight])):
                nn.init.normal_(weight, std=self.d_model**-0.5)
            nn.init.normal_(self.slot_CX)
            self.requires_grad_(False)

    def remarks(self) -> tuple[str, ...]:
        if len(self.slot_CX) == 1:
            return ("there is one cluster, so that nothing is chosen",)
        held = (
            f"tokens are held to their chunks (λ = {self.hold:g} at the start) and no schedule lets go (release: 0), "
            "so that few may ever leave: set release, or distance: 0"
        )
        by_place = "gumbel chooses by place alone, alike for every text: set logits: content"
        is_held, is_placed = self.hold >= HOLD and not self.release, self.sampling == "gumbel" and not self.by_content
        return (*[held] * is_held, *[by_place] * is_placed)

    def set_progress(self, done: float) -> None:
        self.progress.fill_(done)

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None, cluster_size: int) -> WeightedAssignment:
        B, N, _ = x_BND.shape
        real_BN = x_BND.new_ones(B, N, dtype=torch.bool) if mask_BN is None else mask_BN
        chunks = ChunkAssignment(N, cluster_size, real_BN)
        reach = reach_of(N, cluster_size, self.radius, x_BND.device)
        keys, queries = self._keys_and_queries(x_BND, chunks, reach)
        with _fp32(x_BND.device):
            scores = reach.scores(keys.float(), queries.float()) / math.sqrt(self.width)
            return self._assignment(scores, reach, real_BN, chunks.cluster_mask_BC, x_BND)

    def _keys_and_queries(self, x_BND: Tensor, chunks: ChunkAssignment, reach: Reach) -> tuple[Tensor, Tensor]:
        if reach.clusters > self.slot_CX.shape[0] or (not self.by_content and reach.length > self.place_ND.shape[0]):
            raise ValueError(
                f"router.learned: {reach.length} tokens in {reach.clusters} clusters, but it was built for "
                f"{self.slot_CX.shape[0]} clusters; raise model.dims.seq_len"
            )
        slots_1CX = self.slot_CX[: reach.clusters].unsqueeze(0)
        if self.query is None:
            return self.key(self.place_ND[: reach.length].to(x_BND.dtype)).unsqueeze(0), slots_1CX
        means_BCD = F.rms_norm(chunks.pool(x_BND), x_BND.shape[-1:])
        return self.key(x_BND) * _inverse_rms(x_BND), self.query(means_BCD) + slots_1CX

    def _assignment(
        self, scores: Tensor, reach: Reach, real_BN: Tensor, cluster_mask_BC: Tensor | None, x_BND: Tensor
    ) -> WeightedAssignment:
        assert cluster_mask_BC is not None
        allowed = reach.of_clusters(cluster_mask_BC)
        # A text without tokens has no cluster to go to: let it go anywhere, so that all stays finite.
        allowed = allowed | ~allowed.any(dim=-1, keepdim=True)
        logits = scores if self.log_distance is None else scores - self._distance(self.log_distance) * reach.distance()
        logits = logits.masked_fill(~allowed, float("-inf"))
        weights = sample(logits, self._temperature(), self.sampling, self.training)
        weights = weights * reach.of_tokens(real_BN).to(weights.dtype)
        assignment = WeightedAssignment(reach, weights, cluster_mask_BC)
        if self.signals:
            assignment.signal_BC = coherence(assignment, x_BND).clamp(min=LEAST_COHERENCE).log()
            assignment.signal_BC = assignment.signal_BC.masked_fill(~cluster_mask_BC, 0.0)
        assignment.token_mask_BN = real_BN
        if self.watched is not None:
            self._watch(self.watched, routing_telemetry(assignment, logits, real_BN), real_BN)
        if self.training:
            routing = Routing(assignment, scores, logits, allowed, real_BN, x_BND)
            assignment.losses = self.auxiliary(routing, self.progress)
            assignment.telemetry = {
                **routing_telemetry(assignment, logits, real_BN),
                "temperature": self._temperature(),
            }
        return assignment

    def _watch(self, watched: Watched, told: dict[str, Tensor], real_BN: Tensor) -> None:
        texts, tokens = real_BN.any(dim=1).sum(), real_BN.sum()
        for name, value in told.items():
            watched.add(name, value, tokens if name == "agreement" else texts)
        watched.add("temperature", self._temperature())
        if self.log_distance is not None:
            watched.add("distance", self._distance(self.log_distance))

    def _distance(self, log_distance: Tensor) -> Tensor:
        return (log_distance.float() - self.release * self.progress.float()).exp()

    def _temperature(self) -> Tensor:
        falling = self.temperature * (-self.anneal * self.progress.float()).exp()
        return falling.clamp(min=min(self.temperature, self.min_temperature))

    def flops(self, B: int, N: int, cluster_size: int) -> int:
        reach = reach_of(N, cluster_size, self.radius)
        D, C, X = self.d_model, reach.clusters, self.width
        texts = B if self.by_content else 1  # places are the same in every text
        projections = 2 * texts * N * D * X + (2 * B * C * D * X if self.by_content else 0)
        return projections + reach.flops(texts, X) + reach.flops(B, D) * (1 + self.signals)

    def broadcast_flops(self, B: int, N: int, cluster_size: int, width: int) -> int:
        return reach_of(N, cluster_size, self.radius).flops(B, width)

    def training_flops(self, B: int, N: int, cluster_size: int) -> int:
        """Less where an operand wants no gradient, places and frozen weights; more for the coherence loss."""
        reach, learned = reach_of(N, cluster_size, self.radius), self.key.weight.requires_grad
        scores, pool = reach.flops(B if self.by_content else 1, self.width), reach.flops(B, self.d_model)
        pools = pool * (1 + self.signals)
        projections = self.flops(B, N, cluster_size) - scores - pools
        routing = projections * (1 + self.by_content + learned) + scores * (3 if self._chosen else 1)
        # The loss pools without gradient, and scores the means, which want none.
        return routing + pools * (2 + self._chosen) + 3 * pool * (self.auxiliary.coherence > 0)

    def broadcast_training_flops(self, B: int, N: int, cluster_size: int, width: int) -> int:
        return (2 + self._chosen) * self.broadcast_flops(B, N, cluster_size, width)

    @property
    def _chosen(self) -> bool:
        """Whether the weights of tokens in clusters want a gradient: only random places that stay want none."""
        return self.by_content or self.key.weight.requires_grad


def _inverse_rms(x_BND: Tensor) -> Tensor:
    """What ``F.rms_norm`` multiplies with, [B, N, 1]; after a product without bias it is the same on fewer numbers."""
    exact = torch.promote_types(x_BND.dtype, torch.float32)
    norm_BN1 = torch.linalg.vector_norm(x_BND, dim=-1, keepdim=True, dtype=exact)
    return (norm_BN1.square() / x_BND.shape[-1] + torch.finfo(x_BND.dtype).eps).rsqrt().to(x_BND.dtype)


def _fp32(device: torch.device) -> AbstractContextManager[object]:
    """Switch autocast off where there is such a thing: the meta device has none, and an exported graph."""
    if not torch.compiler.is_exporting() and torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()
