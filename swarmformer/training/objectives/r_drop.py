"""R-Drop: two passes with dropout that should agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from swarmformer.contracts import Dims, Forward, Loss, Objective
from swarmformer.registry import register

if TYPE_CHECKING:
    from swarmformer.data.batching import Batch


@register("objective", "r_drop")
class RDrop(Objective):
    """Mean cross-entropy of two passes, and how far dropout parts them (Liang et al. 2021, R-Drop).

    The loss is (CE₁ + CE₂) / 2 + weight · (KL(p₁‖p₂) + KL(p₂‖p₁)) / 2, as the authors' code has it; the paper adds the
    two cross-entropies instead of averaging them, so its α is twice this weight. Twice the cost of a step. Evaluation
    has no dropout: the loss is then the cross-entropy.

    Options:
        weight: how much the divergence counts.
        label_smoothing: the share of the target that is spread evenly over all classes.
    """

    in_pieces = True
    test_options = ({"label_smoothing": 0.1},)

    def __init__(
        self,
        dims: Dims,
        *,
        weight: Annotated[float, Field(ge=0)] = 1.0,
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__()
        self.weight, self.label_smoothing = weight, label_smoothing

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        passes = [batch.answers(forward(batch).logits_BK).float() for _ in range(2 if self.training else 1)]
        entropies = [F.cross_entropy(logits, batch.labels_M, label_smoothing=self.label_smoothing) for logits in passes]
        truth = sum(entropies[1:], entropies[0]) / len(passes)
        if not self.training:
            return Loss(truth)
        apart = jeffreys(*passes) / 2
        return Loss(truth + self.weight * apart, {"truth": truth, "apart": apart})


def jeffreys(first_MK: Tensor, second_MK: Tensor) -> Tensor:
    """KL(p‖q) + KL(q‖p) = Σ (p − q) (log p − log q) of two tables of logits, a mean over the answers."""
    log_p_MK, log_q_MK = first_MK.log_softmax(-1), second_MK.log_softmax(-1)
    return ((log_p_MK.exp() - log_q_MK.exp()) * (log_p_MK - log_q_MK)).sum(-1).mean()
