"""One abstract class per slot; each docstring is the slot's contract.

Shape legend: B batch, N tokens, C clusters, D width (``d_model``), H heads, K classes.
``x_BND`` are token states, ``c_BCD`` cluster states, ``mask_BN`` is True on real tokens and
``None`` stands for "all tokens are real".

A component's constructor is its schema: ``__init__(self, dims: Dims, *, option: type = default)``.
``flops`` takes the sizes that ``forward`` takes and counts the operations of matrix products
(multiply-adds × 2) for one forward pass in evaluation; elementwise work is not counted.
``training_flops`` counts forward and backward of one training step, where what comes in wants a gradient
(the embedding is trained). A product takes one in the forward pass and one for the gradient of each operand:
the default is ``PASSES`` × ``flops``. A component says otherwise where an operand wants no gradient (a
constant, a frozen weight), or where it computes more in training (an auxiliary loss).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from swarmformer.fast import applies, in_pieces

Probability = Annotated[float, Field(ge=0, le=1)]
"""Type of dropout options; limits in a type are checked before the component is built, with file and key."""


PASSES = 3
"""Products of a training step for each of the forward pass: itself, and the gradients of both operands."""


class Strict(BaseModel):
    """Base of every specification: frozen, unknown keys refused, types not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Dims(Strict):
    """The sizes that components share."""

    vocab_size: int = Field(gt=1)
    d_model: int = Field(gt=0)
    num_layers: int = Field(gt=0)
    cluster_size: int = Field(gt=0)
    seq_len: int = Field(gt=0)
    num_classes: int = Field(gt=1)


class Component(nn.Module):
    """Anything that fills a slot. ``slot`` and ``registered_name`` are set by the registry.

    ``honours_mask`` is False only where a published fault is kept on purpose: pads then touch the
    result, and some lengths may be refused. Everything else promises that a text gives the same alone
    and padded in a batch.
    """

    slot: ClassVar[str] = ""
    registered_name: ClassVar[str] = ""
    honours_mask: bool = True
    whole_batch: bool = False
    """True where training needs all texts of a batch at once, for losses or telemetry that are means over them."""
    test_options: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """Sets of options that ``swarmformer.testing`` tries beside the defaults and every other choice."""
    order: str = ""
    """How ``flops`` grows, in the symbols of ``swarmformer.order``, as in ``N·D² + N·W·D``; ``0`` without any
    matrix product, empty where it is not stated. Set on the instance where it depends on options."""

    def set_progress(self, done: float) -> None:
        """Told before every training step which share of the training is done, from 0 to 1.

        What follows a schedule keeps the share in a persistent buffer, so that saved weights are
        evaluated as they were when they were saved.
        """


class Norm(Component, ABC):
    """x → x of the same shape, over the last dimension."""

    order = "0"

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...


class Embedding(Component, ABC):
    """ids_BN (int64) → x_BND."""

    order = "0"

    @abstractmethod
    def forward(self, ids_BN: Tensor) -> Tensor: ...

    def flops(self, B: int, N: int) -> int:
        """A look-up has no matrix product."""
        return 0

    def training_flops(self, B: int, N: int) -> int:
        """Ids want no gradient, and that of a look-up is a sum."""
        return PASSES * self.flops(B, N)


class Local(Component, ABC):
    """x_BND, mask_BN → x_BND: tokens learn from their neighbours.

    ``norm`` is applied before every MLP and attention block inside; None leaves its input alone.
    """

    @abstractmethod
    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor: ...

    @abstractmethod
    def flops(self, B: int, N: int) -> int: ...

    def training_flops(self, B: int, N: int) -> int:
        """Forward and backward of one training step."""
        return PASSES * self.flops(B, N)


class Assignment(ABC):
    """How the tokens of one layer meet their clusters.

    ``cluster_mask_BC`` is True where a cluster has at least one real token (None: everywhere).
    ``signal_BC``, where a router gives one, is the log of each cluster's weight: it is added to the scores
    of the cluster as a key and to the gates of the tokens it speaks to (None: all weigh the same).
    ``losses`` are added to the training loss with weight one; ``telemetry`` is logged.
    ``copies`` is True where every token gets a copy of one cluster: what is computed per token after ``broadcast``
    may then be computed per cluster before it.
    """

    copies: ClassVar[bool] = False
    cluster_mask_BC: Tensor | None = None
    signal_BC: Tensor | None = None

    def __init__(self) -> None:
        self.losses: dict[str, Tensor] = {}
        self.telemetry: dict[str, Tensor] = {}

    @abstractmethod
    def pool(self, x_BND: Tensor) -> Tensor:
        """x_BND → c_BCD; a cluster without real tokens is zero."""

    @abstractmethod
    def broadcast(self, c_BCX: Tensor) -> Tensor:
        """c_BCX → x_BNX for any width X; linear, so that what is computed per cluster may be sent back."""


class Router(Component, ABC):
    """x_BND, mask_BN, tokens per cluster → ``Assignment`` with C = ⌈N / cluster_size⌉ clusters.

    The size of a cluster is passed, not the number of clusters, so that a text meets the same
    clusters alone and padded in a batch. ``signals`` is True where assignments have a ``signal_BC``.
    """

    signals: bool = False

    @abstractmethod
    def forward(self, x_BND: Tensor, mask_BN: Tensor | None, cluster_size: int) -> Assignment: ...

    @abstractmethod
    def flops(self, B: int, N: int, cluster_size: int) -> int:
        """Cost of routing and one ``pool`` of width D."""

    def broadcast_flops(self, B: int, N: int, cluster_size: int, width: int) -> int:
        """Cost of one ``broadcast`` of ``width`` columns; nothing where it is a copy."""
        return 0

    def training_flops(self, B: int, N: int, cluster_size: int) -> int:
        """Forward and backward of routing and one ``pool`` in a training step, the router's losses included."""
        return PASSES * self.flops(B, N, cluster_size)

    def broadcast_training_flops(self, B: int, N: int, cluster_size: int, width: int) -> int:
        """Forward and backward of one ``broadcast`` of ``width`` columns in a training step."""
        return PASSES * self.broadcast_flops(B, N, cluster_size, width)


class Cluster(Component, ABC):
    """c_BCD, mask_BC → c_BCD: clusters learn from each other. Masked clusters come out zero.

    ``signal_BC`` (see ``Assignment``) is added to a cluster's scores as a key; a mixer without scores
    weighs what the cluster gives to others by its exponential. So −∞ is the same to others as a mask.
    """

    @abstractmethod
    def forward(
        self,
        c_BCD: Tensor,
        mask_BC: Tensor | None = None,
        norm: nn.Module | None = None,
        signal_BC: Tensor | None = None,
    ) -> Tensor: ...

    @abstractmethod
    def flops(self, B: int, C: int) -> int: ...

    def training_flops(self, B: int, C: int) -> int:
        """Forward and backward of one training step."""
        return PASSES * self.flops(B, C)


class Feedback(Component, ABC):
    """x_BND, c_BCD, ``Assignment`` → x_BND: clusters tell their tokens.

    ``broadcast_width`` says how many columns it sends through ``Assignment.broadcast`` (the signal apart);
    their cost is the router's, not part of ``flops``.
    """

    broadcast_width: int

    @abstractmethod
    def forward(
        self, x_BND: Tensor, c_BCD: Tensor, assignment: Assignment, norm: nn.Module | None = None
    ) -> Tensor: ...

    @abstractmethod
    def flops(self, B: int, N: int, C: int) -> int: ...

    def training_flops(self, B: int, N: int, C: int) -> int:
        """Forward and backward of one training step."""
        return PASSES * self.flops(B, N, C)


class Pyramid(Component, ABC):
    """Layer index → tokens per cluster, so that C = ⌈N / size⌉."""

    order = "0"

    @abstractmethod
    def cluster_size(self, layer: int) -> int: ...


class Pooling(Component, ABC):
    """x_BND, mask_BN → x_BD; a text without real tokens gives zero.

    ``per_token`` is True where the result keeps one row per token, x_BND, for tasks that ask at positions.
    """

    per_token: bool = False

    @abstractmethod
    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor: ...

    @abstractmethod
    def flops(self, B: int, N: int) -> int: ...

    def training_flops(self, B: int, N: int) -> int:
        """Forward and backward of one training step."""
        return PASSES * self.flops(B, N)


@dataclass
class ModelOutput:
    """What training needs beside the logits: losses summed over layers, telemetry per layer.

    ``logits_BK`` has a row per text, [B, K], or per token, [B, N, K], where the model is ``per_token``.
    """

    logits_BK: Tensor
    losses: dict[str, Tensor] = field(default_factory=dict)
    telemetry: list[dict[str, Tensor]] = field(default_factory=list)


class Model(Component, ABC):
    """ids_BN (int64), mask_BN (bool or None) → logits_BK.

    ``slots`` names the component slots the model is assembled from. A model with slots takes
    ``(dims, parts)`` and asks ``parts.build(slot, place)`` for each component; one without takes
    ``(dims)``. Options are keyword-only, as for every component.

    In evaluation the logits of a text depend on that text alone, whatever else is in the batch.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    per_token: bool = False
    dims: Dims
    spec: Any
    """The ``ModelSpec`` it was built from; set by whoever assembles it."""

    @abstractmethod
    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput: ...

    def forward(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """The logits; in evaluation without gradients, and on a CPU, in pieces that fit its cache."""
        if self.training or torch.is_grad_enabled() or not applies(ids_BN):
            return self.detailed(ids_BN, mask_BN).logits_BK
        trimmed = self.honours_mask and not self.per_token
        return in_pieces(lambda ids, mask: self.detailed(ids, mask).logits_BK, ids_BN, mask_BN, trimmed)

    def set_progress(self, done: float) -> None:
        for module in self.modules():
            if isinstance(module, Component) and module is not self:
                module.set_progress(done)

    @abstractmethod
    def flops(self, B: int, N: int) -> int: ...

    def training_flops(self, B: int, N: int) -> int:
        """Forward and backward of one training step: what its slots say, and the rest in ``PASSES``."""
        own = self.flops(B, N) - sum(self.flops_by_slot(B, N).values())
        return PASSES * own + sum(self.flops_by_slot(B, N, training=True).values())

    def flops_by_slot(self, B: int, N: int, *, training: bool = False) -> dict[str, int]:
        """The part of ``flops`` that each slot has; the rest is the model's own (its classifier, for one).

        With ``training`` it is the part of ``training_flops``. A model whose layers use slots adds theirs to
        those of its embedding and its pooling.
        """
        once = [part for part in self.children() if isinstance(part, Embedding | Pooling) and part.slot in self.slots]
        return {part.slot: part.training_flops(B, N) if training else part.flops(B, N) for part in once}
