"""SwarmFormer, assembled from slots.

ids_BN → embedding → num_layers × (local → pool into clusters → cluster mixing → feedback) → norm →
pooling → dropout → linear → logits_BK  (Legg & Sturmanis 2025; the slots' originals reproduce it).
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from swarmformer.interfaces import Assignment, Component, Dims, Model, ModelOutput, Probability
from swarmformer.models.parts import Parts
from swarmformer.registry import register


class Layer(nn.Module):
    """One layer: tokens, clusters, tokens. Each block gets its own norm for its input."""

    def __init__(self, parts: Parts, place: str, cluster_size: int) -> None:
        super().__init__()
        self.cluster_size = cluster_size
        self.local = parts.build("local", f"{place}.local")
        self.router = parts.build("router", f"{place}.router")
        self.cluster = parts.build("cluster", f"{place}.cluster")
        self.feedback = parts.build("feedback", f"{place}.feedback")
        self.local_norm = parts.build("norm", f"{place}.local_norm")
        self.cluster_norm = parts.build("norm", f"{place}.cluster_norm")
        self.feedback_norm = parts.build("norm", f"{place}.feedback_norm")

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None) -> tuple[Tensor, Assignment]:
        x_BND = self.local(x_BND, mask_BN, self.local_norm)
        assignment = self.router(x_BND, mask_BN, self.cluster_size)
        c_BCD = assignment.pool(x_BND)
        c_BCD = self.cluster(c_BCD, assignment.cluster_mask_BC, self.cluster_norm, assignment.signal_BC)
        return self.feedback(x_BND, c_BCD, assignment, self.feedback_norm), assignment

    def flops(self, B: int, N: int) -> int:
        C = -(-N // self.cluster_size)
        sent_back = self.feedback.broadcast_width + self.router.signals
        return (
            self.local.flops(B, N)
            + self.router.flops(B, N, C)
            + self.router.broadcast_flops(B, N, C, sent_back)
            + self.cluster.flops(B, C)
            + self.feedback.flops(B, N, C)
        )


@register("model", "swarmformer")
class SwarmFormer(Model):
    """Hierarchical text classifier: local updates, clusters, attention between clusters, feedback."""

    slots: ClassVar[tuple[str, ...]] = (
        "embedding", "local", "router", "cluster", "feedback", "norm", "pyramid", "pooling",
    )  # fmt: skip

    def __init__(self, dims: Dims, parts: Parts, *, final_dropout: Probability = 0.0) -> None:
        super().__init__()
        self.dims = dims
        self.embedding = parts.build("embedding", "embedding")
        pyramid = parts.build("pyramid", "pyramid")
        sizes = [pyramid.cluster_size(layer) for layer in range(dims.num_layers)]
        self.layers = nn.ModuleList(Layer(parts, f"layers.{i}", size) for i, size in enumerate(sizes))
        self.final_norm = parts.build("norm", "final_norm")
        self.pooling = parts.build("pooling", "pooling")
        self.per_token = self.pooling.per_token
        self.final_dropout = nn.Dropout(final_dropout)
        with parts.stream("classifier"):
            self.classifier = nn.Linear(dims.d_model, dims.num_classes)
        parts_used = [module for module in self.modules() if isinstance(module, Component) and module is not self]
        self.honours_mask = all(part.honours_mask for part in parts_used)

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        x_BND = self.embedding(ids_BN)
        losses: dict[str, Tensor] = {}
        telemetry = []
        for layer in self.layers:
            x_BND, assignment = layer(x_BND, mask_BN)
            telemetry.append(assignment.telemetry)
            for name, loss in assignment.losses.items():
                losses[name] = losses[name] + loss if name in losses else loss
        pooled_BD = self.pooling(self.final_norm(x_BND), mask_BN)
        return ModelOutput(self.classifier(self.final_dropout(pooled_BD)), losses, telemetry)

    def flops(self, B: int, N: int) -> int:
        layers = sum(layer.flops(B, N) for layer in self.layers)  # type: ignore[operator]
        answers = B * N if self.per_token else B
        classifier = 2 * answers * self.dims.d_model * self.dims.num_classes
        return self.embedding.flops(B, N) + layers + self.pooling.flops(B, N) + classifier
