"""Token vectors moved to where the model errs most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from swarmformer.contracts import Dims, Forward, Loss, Model, Objective, embedded, embedding_of
from swarmformer.records import NotNegative
from swarmformer.registry import register

if TYPE_CHECKING:
    from swarmformer.data.batching import Batch

PROBE = 0.1
"""Length of the random step that a virtual direction is measured with, in deviations; as in the authors' code."""


@register("objective", "adversarial")
class Adversarial(Objective):
    """Cross-entropy, and that with each text moved by ``epsilon`` to where it grows fastest (Miyato et al. 2017).

    What is moved is what the model's embedding gives, after its dropout. The paper divides token vectors by their
    deviation over the running text, so that growing ones cannot outgrow the step; that is the step
    r = ε σ ∘ (σ ∘ g) / ‖σ ∘ g‖ on vectors as they are, with g the gradient of the loss, σ the deviation of each
    feature over the real tokens of the batch, the norm over a text. Pads stay where they are; r is a constant for the
    gradient. About 2.5 times the cost of a step, virtual 4 times, estimated by its passes. In evaluation nothing is
    moved. Each pass draws the dropout behind the embedding anew: what ``virtual`` measures holds that difference too,
    and with little but that its direction is mostly noise, so that dropout there is best off.

    Options:
        weight: how much the loss of the moved texts counts.
        epsilon: length of the step of a text, in deviations.
        virtual: the moved text should have the answer probabilities that it had before, whatever the label: g is that
            of their divergence, at a small random step, and the divergence takes the place of the second loss.
        label_smoothing: the share of the target that is spread evenly over all classes.
    """

    hooks = True

    def __init__(
        self,
        dims: Dims,
        *,
        weight: NotNegative = 1.0,
        epsilon: NotNegative = 5.0,
        virtual: bool = False,
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__()
        self.weight, self.epsilon, self.virtual, self.label_smoothing = weight, epsilon, virtual, label_smoothing

    def check_model(self, model: Model) -> None:
        embedding_of(model)

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        if not self.training:
            return Loss(self._truth(batch, _logits(forward, batch)))
        with embedded(forward.model) as seen:
            logits_MK = _logits(forward, batch)
        [x_BND] = seen
        truth = self._truth(batch, logits_MK)
        real_BN1 = batch.mask_BN.unsqueeze(-1)
        deviation_D = deviation(x_BND.detach().float(), real_BN1)
        if self.virtual:
            uphill_BND = _virtual_gradient(forward, batch, x_BND.detach(), logits_MK.detach(), deviation_D)
        else:
            (gradient_BND,) = torch.autograd.grad(truth * len(batch.labels_M), x_BND, retain_graph=True)
            uphill_BND = gradient_BND.float() * deviation_D
        step_BND = self.epsilon * deviation_D * unit(uphill_BND * real_BN1)
        with embedded(forward.model, x_BND + step_BND.to(x_BND.dtype)):
            moved_MK = _logits(forward, batch)
        moved = divergence(logits_MK.detach(), moved_MK) if self.virtual else self._truth(batch, moved_MK)
        return Loss(truth + self.weight * moved, {"truth": truth, "moved": moved})

    def _truth(self, batch: Batch, logits_MK: Tensor) -> Tensor:
        return F.cross_entropy(logits_MK, batch.labels_M, label_smoothing=self.label_smoothing)


def _logits(forward: Forward, batch: Batch) -> Tensor:
    return batch.answers(forward(batch).logits_BK).float()


def _virtual_gradient(forward: Forward, batch: Batch, x_BND: Tensor, logits_MK: Tensor, deviation_D: Tensor) -> Tensor:
    """Of the divergence that a small random step makes, by that step, in deviations: one power iteration."""
    real_BN1 = batch.mask_BN.unsqueeze(-1)
    random_BND = (PROBE * unit(torch.randn_like(x_BND, dtype=torch.float32) * real_BN1)).requires_grad_()
    with embedded(forward.model, x_BND + (deviation_D * random_BND).to(x_BND.dtype)):
        probed_MK = _logits(forward, batch)
    # What the model adds to the loss in this pass is still to be passed backwards.
    (gradient_BND,) = torch.autograd.grad(divergence(logits_MK, probed_MK), random_BND, retain_graph=True)
    return gradient_BND


def deviation(x_BND: Tensor, real_BN1: Tensor) -> Tensor:
    """Standard deviation of each feature over the real tokens of a batch, [D]."""
    count = real_BN1.sum()
    mean_D = (x_BND * real_BN1).sum((0, 1)) / count
    return (((x_BND - mean_D) ** 2 * real_BN1).sum((0, 1)) / count).sqrt()


def unit(x_BND: Tensor) -> Tensor:
    """Each text of length one over all of its tokens; one that is zero stays so.

    Divided by its largest element first: the gradient of a text that the model is sure of may be so small that its
    squares are zero.
    """
    largest_B11 = x_BND.abs().amax((1, 2), keepdim=True)
    scaled_BND = x_BND / torch.where(largest_B11 > 0, largest_B11, 1.0)
    return scaled_BND / scaled_BND.flatten(1).norm(dim=1).clamp(min=1.0)[:, None, None]


def divergence(truth_MK: Tensor, guess_MK: Tensor) -> Tensor:
    """KL(truth‖guess) of two tables of logits, a mean over the answers."""
    log_p_MK = truth_MK.log_softmax(-1)
    return (log_p_MK.exp() * (log_p_MK - guess_MK.log_softmax(-1))).sum(-1).mean()
