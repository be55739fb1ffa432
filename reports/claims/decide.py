"""How a claim is decided: a rule and what it is applied to, as ``published.yaml`` gives it under ``decide:``.

Each rule has a function in ``reports.claims``; ``numbers`` are the keys of the published numbers that it asks for.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Claimed = Literal["better", "maintained"]
Names = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class Rule(BaseModel):
    """Base of all rules."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)
    asks: ClassVar[tuple[str, ...]] = ()
    """Names of the options that are keys of published numbers."""

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(getattr(self, name) for name in self.asks)


class Reproduced(Rule):
    """Accuracy of our runs of the variant on the task against the published one."""

    asks = ("number",)
    rule: Literal["reproduced"]
    variant: str
    task: str
    number: str


class Consistent(Rule):
    """Precision, recall, F1 and accuracy on a balanced split follow from one another."""

    asks = ("precision", "recall", "f1", "accuracy")
    rule: Literal["consistent"]
    precision: str
    recall: str
    f1: str
    accuracy: str


class WithinPeak(Rule):
    """The rate that a time implies against the peak of the card. ``texts``: of the whole time, where not one batch."""

    asks = ("number", "peak")
    rule: Literal["within_peak"]
    number: str
    peak: str
    texts: Annotated[int, Field(gt=0)] | None = None


class Memory(Rule):
    """Peak memory, which was measured on the CPU here."""

    asks = ("number",)
    rule: Literal["memory"]
    number: str


class CountedParameters(Rule):
    """A parameter count to its printed digits."""

    asks = ("number",)
    rule: Literal["parameters"]
    number: str


class BeatsFloors(Rule):
    """A published accuracy against the floors that were measured on the same split, which has so many examples."""

    asks = ("number",)
    rule: Literal["beats_floors"]
    number: str
    task: str
    examples: Annotated[int, Field(gt=0)]


class SeesOrder(Rule):
    """Whether logits change where the text is reversed, or rotated by a whole cluster."""

    rule: Literal["sees_order"]
    variants: Names


class BeatsControl(Rule):
    """An arm against its control, paired by seed, in every grid that has both.

    ``factors``: the arm of a design that has just these on, and the control as its base, is the arm too.
    """

    rule: Literal["beats_control"]
    arm: str
    control: str
    factors: Annotated[tuple[str, ...], Field(strict=False)] = ()
    claimed: Claimed = "better"


class NoGate(Rule):
    """Whether the feedback of these variants is without a gate."""

    rule: Literal["no_gate"]
    variants: Names


class TokenClusterTerm(Rule):
    """Whether the FLOPs of a forward pass have a part that is tokens times clusters, and what the parts are."""

    rule: Literal["token_cluster_term"]
    variant: str


class Order(Rule):
    """How FLOPs grow with the length."""

    rule: Literal["order"]
    variant: str
    exponent: Annotated[float, Field(strict=False, gt=0)]


class PyramidDepth(Rule):
    """Clusters by layer of a pyramid as deep as the published model."""

    asks = ("layers",)
    rule: Literal["pyramid_depth"]
    layers: str


class FewerParameters(Rule):
    """One parameter count against another."""

    asks = ("number", "ours", "theirs")
    rule: Literal["fewer_parameters"]
    number: str
    ours: str
    theirs: str


class SavingWithoutLayers(Rule):
    """How much of the parameters is the table of tokens, which no layer changes."""

    asks = ("theirs",)
    rule: Literal["saving_without_layers"]
    variant: str
    theirs: str


class FitsMemory(Rule):
    """Whether the published arithmetic fits into the stated memory at a length."""

    asks = ("number", "memory")
    rule: Literal["fits_memory"]
    variant: str
    number: str
    memory: str


class Causal(Rule):
    """Whether a later token leaves earlier logits alone."""

    rule: Literal["causal"]
    variant: str


class HonoursMask(Rule):
    """Whether pads leave the logits of real tokens alone."""

    rule: Literal["honours_mask"]
    variant: str


class Effect(Rule):
    """The main effect of a factor in every fraction that was run."""

    rule: Literal["effect"]
    factor: str
    claimed: Claimed = "better"


class Cheaper(Rule):
    """Ratios to ``base`` of FLOPs or seconds, whichever the document speaks of, at every length that was measured."""

    rule: Literal["cheaper"]
    variant: str
    by: Literal["FLOPs", "seconds"] = "FLOPs"


class Untestable(Rule):
    """No evidence of ours can decide it; ``reason`` is why."""

    rule: Literal["untestable"]
    reason: str


Decide = (
    Reproduced | Consistent | WithinPeak | Memory | CountedParameters | BeatsFloors | SeesOrder | BeatsControl
    | NoGate | TokenClusterTerm | Order | PyramidDepth | FewerParameters | SavingWithoutLayers | FitsMemory
    | Causal | HonoursMask | Effect | Cheaper | Untestable
)  # fmt: skip
