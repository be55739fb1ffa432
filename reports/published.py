"""What was published: numbers as printed, and claims with the rule that decides each (``published.yaml``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, InstanceOf, ValidationError, model_validator

from swarmformer.yaml import safe_load

from .claims.amounts import Amount
from .claims.rule import Rule, rule_of
from .errors import ReportError
from .kinds import Strict

PATH = Path(__file__).with_name("published.yaml")

Unit = Literal[
    "percent", "milliseconds", "seconds", "gigabytes", "thousands", "millions", "teraflops", "count", "ratio"
]  # fmt: skip
_UNITS: dict[Unit, tuple[float, str]] = {
    "percent": (0.01, " %"), "milliseconds": (1e-3, " ms"), "seconds": (1.0, " s"), "gigabytes": (1e9, " GB"),
    "thousands": (1e3, " k"), "millions": (1e6, " M"), "teraflops": (1e12, " TFLOP/s"), "count": (1.0, ""),
    "ratio": (1.0, ""),
}  # fmt: skip
"""Unit → what one is in ``plain``, and how it is printed."""


class Document(Strict):
    """``url`` where one is known."""

    title: str = Field(min_length=1)
    url: str | None = None


class Stated(Strict):
    """Something that a document says."""

    key: str = Field(min_length=1)
    document: str

    @property
    def source(self) -> str:
        return f"{PATH.name}#{self.key}"


class Number(Stated):
    """One published number.

    model: the variant of this project where there is one (``original_base``), else a name of the thing measured.
    digits: decimals that were printed. batch, length: what the figure is for, where the document says so.
    """

    model: str = Field(min_length=1)
    quantity: str = Field(min_length=1)
    value: Annotated[float, Field(strict=False)]
    digits: Annotated[int, Field(ge=0)] = 2
    unit: Unit
    where: str = Field(min_length=1)
    batch: Annotated[int, Field(gt=0)] | None = None
    length: Annotated[int, Field(gt=0)] | None = None

    @property
    def plain(self) -> float:
        """In fractions of one, seconds, bytes, or the bare count."""
        return self.value * _UNITS[self.unit][0]

    @property
    def half_step(self) -> float:
        """Half of the last printed digit, in the unit of ``plain``: by how much rounding may have moved it."""
        return 0.5 * 10**-self.digits * _UNITS[self.unit][0]

    @property
    def amount(self) -> Amount:
        """What rounding leaves open of it, in the unit of ``plain``."""
        return Amount(self.plain, self.plain - self.half_step, self.plain + self.half_step, (self.source,))

    @property
    def text(self) -> str:
        """As printed, with its unit; a bare count with its name: ``num_layers 2``."""
        name = f"{self.quantity} " if self.unit == "count" else ""
        return name + f"{self.value:,.{self.digits}f}{_UNITS[self.unit][1]}"


class Claim(Stated):
    """One statement of a document, in our words, of one short line.

    published: keys of the numbers that it states. fact: the point of the project's list of what does not hold. settles:
    what would change the verdict, where the rule cannot tell, or cannot tell all.
    """

    claim: str = Field(min_length=1, max_length=80)
    published: Annotated[tuple[str, ...], Field(strict=False)] = ()
    fact: int | None = None
    settles: str = ""
    decide: Annotated[InstanceOf[Rule], BeforeValidator(rule_of)]


class Published(Strict):
    """The whole file. Keys are unique over numbers and claims alike, and every name in it is there."""

    documents: dict[str, Document]
    numbers: Annotated[tuple[Number, ...], Field(strict=False)]
    claims: Annotated[tuple[Claim, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        entries: list[Stated] = [*self.numbers, *self.claims]
        keys = [entry.key for entry in entries]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"keys given twice: {', '.join(twice)}")
        unknown = {entry.document for entry in entries} - set(self.documents)
        if unknown:
            raise ValueError(f"no such documents: {', '.join(sorted(unknown))}")
        asked = {key for claim in self.claims for key in claim.published}
        missing = asked - {number.key for number in self.numbers}
        if missing:
            raise ValueError(f"claims ask for numbers that are not there: {', '.join(sorted(missing))}")
        return self

    def number(self, key: str) -> Number:
        """Raises ReportError where there is none."""
        known = {number.key: number for number in self.numbers}
        if key not in known:
            raise ReportError(f"{PATH.name} has no number {key}")
        return known[key]

    def of(self, model: str) -> dict[str, Number]:
        """Quantity → number of one model; of a quantity published twice, the first."""
        return {number.quantity: number for number in reversed(self.numbers) if number.model == model}


def read_published(path: Path = PATH) -> Published:
    """Raises ReportError where the file is not YAML, or has keys or values that do not fit."""
    try:
        return Published.model_validate(safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ReportError(f"{path.name}: not a list of published numbers and claims: {error}") from error
