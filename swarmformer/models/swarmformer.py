"""SwarmFormer, assembled from slots.

ids_BN → embedding → num_layers × (local → pool into clusters → cluster mixing → feedback) → norm →
pooling → dropout → linear → logits_BK  (Legg & Sturmanis 2025; the slots' originals reproduce it).
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.contracts import Assignment, Component, Dims, Model, ModelOutput, Probability
from swarmformer.contracts.component import means_within
from swarmformer.models.parts import Parts
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register


class AddedMLP(nn.Module):
    """x + W₂ GELU(W₁ norm(x)): parameters without structure, the placebo of whatever adds parameters.

    It has 2·D·hidden + D parameters, so that hidden = D/2 is as many as an output projection.
    """

    def __init__(self, parts: Parts, place: str, hidden: int) -> None:
        super().__init__()
        self.norm = parts.build("norm", f"{place}_norm")
        D = parts.dims.d_model
        with parts.stream(place):
            self.first, self.out = nn.Linear(D, hidden, bias=False), nn.Linear(hidden, D)

    def forward(self, x_BND: Tensor) -> Tensor:
        return x_BND + self.out(F.gelu(self.first(self.norm(x_BND))))

    def flops(self, B: int, N: int) -> int:
        return 2 * B * N * (self.first.weight.numel() + self.out.weight.numel())


class Layer(nn.Module):
    """One layer: tokens, clusters, tokens. Each block gets its own norm for its input."""

    def __init__(self, parts: Parts, place: str, cluster_size: int, added_hidden: int) -> None:
        super().__init__()
        self.cluster_size = cluster_size
        self.local = parts.build("local", f"{place}.local")
        self.router = parts.build("router", f"{place}.router")
        self.cluster = parts.build("cluster", f"{place}.cluster")
        self.feedback = parts.build("feedback", f"{place}.feedback")
        self.local_norm = parts.build("norm", f"{place}.local_norm")
        self.cluster_norm = parts.build("norm", f"{place}.cluster_norm")
        self.feedback_norm = parts.build("norm", f"{place}.feedback_norm")
        self.added = AddedMLP(parts, f"{place}.added", added_hidden) if added_hidden else None

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None) -> tuple[Tensor, Assignment]:
        x_BND = self.local(x_BND, mask_BN, self.local_norm)
        assignment = self.router(x_BND, mask_BN, self.cluster_size)
        c_BCD = assignment.pool(x_BND)
        c_BCD = self.cluster(c_BCD, assignment.cluster_mask_BC, self.cluster_norm, assignment.signal_BC)
        x_BND = self.feedback(x_BND, c_BCD, assignment, self.feedback_norm)
        return (x_BND if self.added is None else self.added(x_BND)), assignment

    def flops(self, B: int, N: int) -> int:
        added = 0 if self.added is None else self.added.flops(B, N)
        return sum(self.flops_by_slot(B, N).values()) + added

    def flops_by_slot(self, B: int, N: int, training: bool = False) -> dict[str, int]:
        """What goes through the router's broadcast is the router's."""
        size, C = self.cluster_size, -(-N // self.cluster_size)
        sent_back = self.feedback.broadcast_width + self.router.signals
        if training:
            routing = self.router.training_flops(B, N, size)
            return {
                "local": self.local.training_flops(B, N),
                "router": routing + self.router.broadcast_training_flops(B, N, size, sent_back),
                "cluster": self.cluster.training_flops(B, C),
                "feedback": self.feedback.training_flops(B, N, C),
            }
        return {
            "local": self.local.flops(B, N),
            "router": self.router.flops(B, N, size) + self.router.broadcast_flops(B, N, size, sent_back),
            "cluster": self.cluster.flops(B, C),
            "feedback": self.feedback.flops(B, N, C),
        }


@register("model", "swarmformer")
class SwarmFormer(Model):
    """Hierarchical text classifier: local updates, clusters, attention between clusters, feedback.

    Options:
        final_dropout: on what the pooling gives to the classifier.
        added_mlp: hidden width, as a multiple of d_model, of a residual MLP added to every layer (a placebo).
    """

    sees_order = False
    test_options = ({"added_mlp": 0.5},)
    gives_states = True
    slots: ClassVar[tuple[str, ...]] = (
        "embedding", "local", "router", "cluster", "feedback", "norm", "pyramid", "pooling",
    )  # fmt: skip

    def __init__(
        self,
        dims: Dims,
        parts: Parts,
        *,
        final_dropout: Probability = 0.0,
        added_mlp: Annotated[float, Field(ge=0)] = 0.0,
    ) -> None:
        super().__init__()
        self.dims = dims
        self.embedding = parts.build("embedding", "embedding")
        pyramid = parts.build("pyramid", "pyramid")
        sizes = [pyramid.cluster_size(layer) for layer in range(dims.num_layers)]
        added = round(added_mlp * dims.d_model)
        self.layers = nn.ModuleList(Layer(parts, f"layers.{i}", size, added) for i, size in enumerate(sizes))
        self.final_norm = parts.build("norm", "final_norm")
        self.pooling = parts.build("pooling", "pooling")
        self.per_token = self.pooling.per_token
        self.final_dropout = Dropout(final_dropout)
        with parts.stream("classifier"):
            self.classifier = nn.Linear(dims.d_model, dims.num_classes)
        parts_used = [module for module in self.modules() if isinstance(module, Component) and module is not self]
        self.honours_mask = all(part.honours_mask for part in parts_used)
        self.whole_batch, self.means_over = means_within(parts_used)

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        x_BND = self.embedding(ids_BN)
        losses: dict[str, Tensor] = {}
        telemetry = []
        for layer in self.layers:
            x_BND, assignment = layer(x_BND, mask_BN)
            telemetry.append(assignment.telemetry)
            for name, loss in assignment.losses.items():
                losses[name] = losses[name] + loss if name in losses else loss
        x_BND = self.final_norm(x_BND)
        pooled_BD = self.pooling(x_BND, mask_BN)
        return ModelOutput(self.classifier(self.final_dropout(pooled_BD)), losses, telemetry, x_BND)

    def flops(self, B: int, N: int) -> int:
        layers = sum(layer.flops(B, N) for layer in self.layers)  # type: ignore[operator]
        answers = B * N if self.per_token else B
        classifier = 2 * answers * self.dims.d_model * self.dims.num_classes
        return self.embedding.flops(B, N) + layers + self.pooling.flops(B, N) + classifier

    def flops_by_slot(self, B: int, N: int, *, training: bool = False) -> dict[str, int]:
        total = Counter(super().flops_by_slot(B, N, training=training))
        for layer in self.layers:
            total.update(layer.flops_by_slot(B, N, training))  # type: ignore[operator]
        return dict(total)
