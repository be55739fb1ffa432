"""What every component is: sizes, options, promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn

from swarmformer.contracts.measure import Measure, Watched

if TYPE_CHECKING:
    from swarmformer.data.encoded import TrainingTexts

Probability = Annotated[float, Field(ge=0, le=1)]
AtLeastOne = Annotated[int, Field(ge=1)]
"""Types of options, of dropout and of counts; limits in a type are checked before the component is built, with file and
key."""


PASSES = 3
"""Products of a training step for each of the forward pass: itself, and the gradients of both operands."""
CLOSED, COUNTED = "closed form", "counted"


class Strict(BaseModel):
    """Base of every specification: frozen, unknown keys refused, types not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Dims(Strict):
    """The sizes that components share."""

    vocab_size: int = Field(gt=1, le=1 << 31, description="rows of the embedding table; the task says it")
    d_model: int = Field(gt=0, le=1 << 20, description="width of token and cluster states")
    num_layers: int = Field(gt=0, le=1024, description="layers")
    cluster_size: int = Field(gt=0, le=1 << 28, description="tokens of a cluster in the first layer")
    seq_len: int = Field(gt=0, le=1 << 28, description="tokens of the longest text; what is longer is cut")
    num_classes: int = Field(gt=1, le=1 << 31, description="answers to choose from; the task says it")

    @model_validator(mode="after")
    def _clusters_fit(self) -> Self:
        if self.cluster_size > max(self.seq_len, 4096):  # texts are padded to whole clusters
            raise ValueError(f"cluster_size {self.cluster_size:,} is larger than a text: seq_len is {self.seq_len:,}")
        return self


Over = Literal["texts", "tokens"]
"""What a mean over a batch is taken over: the texts that have a real token, or all real tokens."""


class Component(nn.Module):
    """Anything that fills a slot. ``registered_name`` is set by the registry.

    ``honours_mask`` is False only where a published fault is kept on purpose: pads then touch the
    result, and some lengths may be refused. Everything else promises that a text gives the same alone
    and padded in a batch.
    """

    built_with: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {})
    """Sizes and options, as they were passed: what its cost depends on."""
    slot: ClassVar[str] = ""
    registered_name: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1
    """Of the arithmetic, and part of the run key: raised when the same options give other numbers than before, or when
    a default changes. A new option whose default keeps the old behaviour needs no new version."""
    honours_mask: bool = True
    sees_order: bool = True
    """False where it makes of a sequence read backwards what it makes of the sequence, as a mean does; of a model it
    is said of what it does beside its components. See ``tells_order``."""
    reach: int | None = None
    """How many tokens on either side can change what it gives at a token: a stretch of a text with so many around it
    then gives what the whole gives (``swarmformer.long``); of a router, a stretch of whole clusters. None: any token
    can, or it does not say."""
    whole_batch: bool = False
    """True where training needs all texts of a batch at once, for losses or telemetry that are means over them."""
    means_over: Mapping[str, Over] | None = None
    """Of what needs the whole batch: which of its losses and telemetry are means over tokens and which, as those that
    are not named, over texts, so that parts of a batch add up to them. None: they do not."""
    test_options: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """Sets of options that ``swarmformer.testing`` tries beside the defaults and every other choice."""

    measures: ClassVar[Mapping[str, Measure]] = {}
    """What it tells of how far its mechanism was exercised: at the end of training it is watched over the validation
    split, and adds each of these to ``watched``. A name that it never adds is left out."""
    watched: Watched | None = None
    """Where to add measures; None nearly always, so ask before anything is computed for it."""

    no_decay: ClassVar[tuple[str, ...]] = ()
    """Parameters, or modules inside with all of theirs, that take no weight decay beside biases and vectors."""

    def undecayed(self) -> set[str]:
        """Names of the parameters, those of components inside included, that weight decay leaves alone.

        They are what has fewer than two dimensions or "bias" in its name, and what ``no_decay`` names.
        """
        within = dict(components_within(self))
        inside, listed = tuple(f"{name}." for name in within), tuple(f"{name}." for name in self.no_decay)
        own = {
            name
            for name, parameter in self.named_parameters(remove_duplicate=False)
            if not name.startswith(inside)
            and (parameter.ndim < 2 or "bias" in name.rpartition(".")[2] or f"{name}.".startswith(listed))
        }
        return own.union(*({f"{name}.{inner}" for inner in part.undecayed()} for name, part in within.items()))

    def __new__(cls, *leading: Any, **options: Any) -> Self:
        component = super().__new__(cls)
        object.__setattr__(component, "built_with", (leading, options))  # nn.Module is not initialised yet
        return component

    @property
    def flops_source(self) -> str:
        """``counted`` where ``flops`` is not overridden, else ``closed form``, and which slots inside are counted."""
        if self._is_counted:
            return COUNTED
        parts = {part.slot for part in self.modules() if isinstance(part, Component) and part._is_counted}
        return f"{CLOSED}, {COUNTED} for {', '.join(sorted(parts))}" if parts else CLOSED

    @property
    def _is_counted(self) -> bool:
        owner = next((cls for cls in type(self).__mro__ if "flops" in vars(cls)), None)
        return owner is not None and owner.__module__.startswith(__package__)

    def _count_flops(self, what: str, *sizes: int) -> int:
        """``what`` of this component, by running it without memory; see ``cost.counted``."""
        from swarmformer.cost.counted import count  # which needs the contracts

        return count(self, what, sizes)

    def _count_training_flops(self, *sizes: int) -> int:
        """Of a training step: ``PASSES`` times a closed form, or counted where there is none."""
        if self._is_counted:
            return self._count_flops("training_flops", *sizes)
        return PASSES * self.flops(*sizes)  # type: ignore[operator]

    def remarks(self) -> tuple[str, ...]:
        """What cannot act as it is meant to, or may not, with the sizes and options that it was built with: a sentence
        each, which planning and reports repeat. Only what takes the point from a comparison, as a window that covers
        every text."""
        return ()

    def fit(self, texts: TrainingTexts) -> None:
        """Told of the training texts once, before a run's first step, on the CPU.

        What it learns of them goes into parameters and persistent buffers; it draws no random numbers.
        """

    def set_progress(self, done: float) -> None:
        """Told before every training step which share of the training is done, from 0 to 1.

        What follows a schedule keeps the share in a persistent buffer, so that saved weights are
        evaluated as they were when they were saved; it writes to that buffer in place, where a recorded step reads it.
        """


def components_within(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, Component]]:
    """The components inside a module, by name; one inside another belongs to that one."""
    for name, child in module.named_children():
        if isinstance(child, Component):
            yield prefix + name, child
        else:
            yield from components_within(child, f"{prefix}{name}.")


def means_within(parts: Iterable[Component]) -> tuple[bool, Mapping[str, Over] | None]:
    """``whole_batch`` and ``means_over`` of what is made of these parts."""
    whole = [part for part in parts if part.whole_batch]
    if any(part.means_over is None for part in whole):
        return True, None
    return bool(whole), {name: over for part in whole for name, over in (part.means_over or {}).items()}
