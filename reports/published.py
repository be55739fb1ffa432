"""What was published: numbers as printed, and claims with the rule that decides each (``published.yaml``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, InstanceOf, ValidationError, model_validator

from .claims.amounts import Amount
from .claims.rule import Rule, rule_of
from .errors import ReportError
from .kinds import Strict

PATH = Path(__file__).with_name("published.yaml")

Unit = Literal[
    "percent", "milliseconds", "seconds", "gigabytes", "thousands", "millions", "teraflops", "count", "ratio"
]  # fmt: skip
_PLAIN: dict[Unit, float] = {
    "percent": 0.01, "milliseconds": 1e-3, "seconds": 1.0, "gigabytes": 1e9, "thousands": 1e3, "millions": 1e6,
    "teraflops": 1e12, "count": 1.0, "ratio": 1.0,
}  # fmt: skip
_WORDS: dict[Unit, str] = {
    "percent": " %", "milliseconds": " ms", "seconds": " s", "gigabytes": " GB", "thousands": " k", "millions": " M",
    "teraflops": " TFLOP/s", "count": "", "ratio": "",
}  # fmt: skip


class Document(Strict):
    """``url`` where one is known."""

    title: str = Field(min_length=1)
    url: str | None = None


class Number(Strict):
    """One published number.

    model: the variant of this project where there is one (``original_base``), else a name of the thing measured.
    digits: decimals that were printed. batch, length: what the figure is for, where the document says so.
    """

    key: str = Field(min_length=1)
    model: str = Field(min_length=1)
    quantity: str = Field(min_length=1)
    value: Annotated[float, Field(strict=False)]
    digits: Annotated[int, Field(ge=0)] = 2
    unit: Unit
    document: str
    where: str = Field(min_length=1)
    batch: Annotated[int, Field(gt=0)] | None = None
    length: Annotated[int, Field(gt=0)] | None = None

    @property
    def plain(self) -> float:
        """In fractions of one, seconds, bytes, or the bare count."""
        return self.value * _PLAIN[self.unit]

    @property
    def half_step(self) -> float:
        """Half of the last printed digit, in the unit of ``plain``: by how much rounding may have moved it."""
        return 0.5 * 10**-self.digits * _PLAIN[self.unit]

    @property
    def amount(self) -> Amount:
        """What rounding leaves open of it, in the unit of ``plain``."""
        return Amount(self.plain, self.plain - self.half_step, self.plain + self.half_step, (self.source,))

    @property
    def text(self) -> str:
        """As printed, with its unit; a bare count with its name: ``num_layers 2``."""
        name = f"{self.quantity} " if self.unit == "count" else ""
        return name + f"{self.value:,.{self.digits}f}{_WORDS[self.unit]}"

    @property
    def source(self) -> str:
        return f"{PATH.name}#{self.key}"


class Claim(Strict):
    """One statement of a document, in our words, of one short line.

    published: keys of the numbers that it states. fact: the point of the project's list of what does not hold.
    """

    key: str = Field(min_length=1)
    document: str
    claim: str = Field(min_length=1, max_length=80)
    published: Annotated[tuple[str, ...], Field(strict=False)] = ()
    fact: int | None = None
    decide: Annotated[InstanceOf[Rule], BeforeValidator(rule_of)]

    @property
    def source(self) -> str:
        return f"{PATH.name}#{self.key}"


class Published(Strict):
    """The whole file. Keys are unique over numbers and claims alike, and every name in it is there."""

    documents: dict[str, Document]
    numbers: Annotated[tuple[Number, ...], Field(strict=False)]
    claims: Annotated[tuple[Claim, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        entries: list[Number | Claim] = [*self.numbers, *self.claims]
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
        for number in self.numbers:
            if number.key == key:
                return number
        raise ReportError(f"{PATH.name} has no number {key}")

    def of(self, model: str) -> dict[str, Number]:
        """Quantity → number of one model; of a quantity published twice, the first."""
        return {number.quantity: number for number in reversed(self.numbers) if number.model == model}


def read_published(path: Path = PATH) -> Published:
    """Raises ReportError where the file is not YAML, or has keys or values that do not fit."""
    try:
        return Published.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ReportError(f"{path.name}: not a list of published numbers and claims: {error}") from error
