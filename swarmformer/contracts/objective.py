"""The contract of the ``objective`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from torch import Tensor

from swarmformer.contracts.component import Component
from swarmformer.contracts.model import Model, ModelOutput

if TYPE_CHECKING:
    from swarmformer.data.batching import Batch


class Forward(Protocol):
    """A pass of ``model`` over a batch, in the mode that it is in and the precision of the run; dropout is drawn anew.

    ``batch.answers(output.logits_BK)`` are the logits_MK that belong to ``batch.labels_M``.
    """

    model: Model

    def __call__(self, batch: Batch) -> ModelOutput: ...


@dataclass
class Loss:
    """What is minimised, a scalar of fp32 with a gradient, and by name the scalars it is made of, for the curve."""

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


class Objective(Component, ABC):
    """A batch and passes of the model over it → ``Loss``: what training minimises.

    ``loss`` is a mean over the batch. It may pass the model more than once, over the batch or over one that it
    changed (not in place); autocast is off around it. In evaluation it draws no random numbers. Auxiliary losses of
    the model are added by the training step, as their mean over the passes. Parameters of its own (a head that
    only pretraining needs) are trained with those of the model. ``in_pieces`` is True where the loss of a batch is
    the mean of the losses of what ``mean_over`` says, so that the batch may be cut. ``hooks`` is True where it hooks
    into modules of the model, which a compiled model would not notice. ``reads_values`` is True where a step waits for
    a value of the device, as a count that is the size of a tensor: such a step is not recorded as a CUDA graph. Fast
    paths have first derivatives alone: a penalty on gradients needs ``use_fast(False)`` around its passes.
    """

    in_pieces: ClassVar[bool] = False
    mean_over: ClassVar[Literal["answers", "rows"]] = "answers"
    """What the loss is a mean over: answers, or texts whatever they are asked."""
    reads: ClassVar[Literal["logits", "states"]] = "logits"
    """What of the model's output the loss is made of. ``states``: of them alone, so that what makes logits of them is
    not learned."""
    needs_labels: ClassVar[bool] = True
    """False where texts without labels will do."""
    hooks: ClassVar[bool] = False
    reads_values: ClassVar[bool] = False
    settles: bool = False
    """Whether ``settle`` is called: in the last stage alone, as a later one would train with what it had set."""

    def check_model(self, model: Model) -> None:
        """Raise SpecError, before anything runs, where it cannot train this model, which may be without weights."""

    @abstractmethod
    def loss(self, forward: Forward, batch: Batch) -> Loss: ...

    def settle(self, model: Model, held_out: Callable[[], tuple[Tensor, Tensor]]) -> Mapping[str, float]:
        """Where it ``settles``, after each epoch, before ``model`` is judged (which may be a moving average): set in it
        what texts that it did not learn from have to decide, few numbers of it.

        Args:
            held_out: of the validation split, on the CPU, the logits of a trunk and of the channel beside it [M, 2, K]
                (fp32, in evaluation), and labels_M, where the model has both; all processes get the same.

        Returns:
            What was set, finite numbers by name, for the curve (``settled/NAME``).
        """
        return {}


def why_whole(model: Model, objective: Objective) -> str:
    """Why a batch cannot be trained on in parts whose gradients add up to its own; empty where it can."""
    if not objective.in_pieces:
        return f"the loss of objective {objective.registered_name!r} is no mean that parts of a batch add up to"
    if model.whole_batch and model.means_over is None:
        return "losses or telemetry of the model are of whole batches (its components say no means_over)"
    return ""
