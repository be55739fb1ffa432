"""The contract of the ``model`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from swarmformer.contracts.component import PASSES, Component, Dims
from swarmformer.contracts.embedding import Embedding
from swarmformer.contracts.pooling import Pooling
from swarmformer.ops.pieces import evaluated

if TYPE_CHECKING:
    from swarmformer.data.encoded import TrainingTexts


@dataclass
class ModelOutput:
    """What training needs beside the logits: losses summed over layers, telemetry per layer.

    ``logits_BK`` has a row per text, [B, K], or per token, [B, N, K], where the model is ``per_token``. ``states_BND``
    are what the pooling is given, where the model ``gives_states``. ``addends`` are the tables of logits that the
    logits are the weighted sum of, where there is more than one.
    """

    logits_BK: Tensor
    losses: dict[str, Tensor] = field(default_factory=dict)
    telemetry: list[dict[str, Tensor]] = field(default_factory=list)
    states_BND: Tensor | None = None
    addends: tuple[Tensor, ...] = ()


Past = dict[str, Tensor]
"""What a layer keeps of the tokens that it has seen."""


@dataclass
class Cache:
    """What a causal model keeps of the ``length`` tokens that it has seen, layer by layer."""

    layers: list[Past]
    length: int = 0


class Model(Component, ABC):
    """ids_BN (int64), mask_BN (bool or None) → logits_BK.

    ``slots`` names the component slots the model is assembled from. A model with slots takes
    ``(dims, parts)`` and asks ``parts.build(slot, place)`` for each component; one without takes
    ``(dims)``. Options are keyword-only, as for every component.

    In evaluation the logits of a text depend on that text alone, whatever else is in the batch.
    """

    slot = "model"
    slots: ClassVar[tuple[str, ...]] = ()
    default_slots: ClassVar[Mapping[str, str]] = {}
    """slot → component of slots that joined later: a configuration need not name them, and the run key leaves them out
    where they hold their default."""
    per_token: bool = False
    causal: bool = False
    """What it gives at a token depends on that token and those before it alone, so that it can predict the next."""
    foresees: bool = False
    """A published fault, kept on purpose: meant to predict tokens, it sees them. ``remarks`` says so."""
    gives_states: bool = False
    """Its ``detailed`` gives a state for every token, which knows the tokens around it: what can tell a hidden one."""
    dims: Dims
    spec: Any
    """The ``ModelSpec`` it was built from; set by whoever assembles it."""
    let_go: tuple[Component, ...] = ()
    """Components that it asked for and does not hold, as a pyramid that only told it sizes; set by whoever assembles
    it, so that what they remark is not lost."""

    @abstractmethod
    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput: ...

    def forward(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """The logits alone."""
        if self.training:
            return self._logits(ids_BN, mask_BN)
        return evaluated(self._logits, ids_BN, mask_BN, trimmed=self.honours_mask and not self.per_token)

    def new_cache(self) -> Cache | None:
        """An empty cache for ``continued``; None where the model cannot go on from what it has seen."""
        return None

    def continued(self, ids_BN: Tensor, cache: Cache) -> Tensor:
        """logits_BMK of the last M of these tokens, those that the cache has not seen, and now has; in evaluation.

        They are those that ``forward`` gives for all of ``ids_BN``.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no cache")

    def _logits(self, ids_BN: Tensor, mask_BN: Tensor | None) -> Tensor:
        return self.detailed(ids_BN, mask_BN).logits_BK

    def fit(self, texts: TrainingTexts) -> None:
        for part in self._parts():
            part.fit(texts)

    def set_progress(self, done: float) -> None:
        for part in self._parts():
            part.set_progress(done)

    def _parts(self) -> list[Component]:
        """The components inside, those inside others too."""
        return [module for module in self.modules() if isinstance(module, Component) and module is not self]

    def flops(self, B: int, N: int) -> int:
        """A forward pass in evaluation; counted where it is not overridden."""
        return self._count_flops("flops", B, N)

    def training_flops(self, B: int, N: int) -> int:
        """Forward and backward of one training step: counted, or what its slots say and the rest in ``PASSES``."""
        if self._is_counted:
            return self._count_flops("training_flops", B, N)
        own = self.flops(B, N) - sum(self.flops_by_slot(B, N).values())
        return PASSES * own + sum(self.flops_by_slot(B, N, training=True).values())

    def flops_by_slot(self, B: int, N: int, *, training: bool = False) -> dict[str, int]:
        """The part of ``flops`` that each slot has; the rest is the model's own (its classifier, for one).

        With ``training`` it is the part of ``training_flops``. A model whose layers use slots adds theirs to
        those of its embedding and its pooling.
        """
        once = [part for part in self.children() if isinstance(part, Embedding | Pooling) and part.slot in self.slots]
        return {part.slot: part.training_flops(B, N) if training else part.flops(B, N) for part in once}


def tells_order(model: Model) -> bool:
    """Whether the logits can depend on the order of tokens beyond who is whose neighbour, on either side alike."""
    return any(part.sees_order for part in (model, *model._parts()))


def token_tables(model: Model) -> list[Tensor]:
    """The weights of ``nn.Embedding`` with one row per entry of the vocabulary, each once."""
    tables = [
        module.weight
        for module in model.modules()
        if isinstance(module, nn.Embedding) and module.num_embeddings == model.dims.vocab_size
    ]
    return list({id(table): table for table in tables}.values())
