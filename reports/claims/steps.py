"""What names mean in a row of a measurement: its fields, published numbers, and steps worked out from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any, Self, Union

from pydantic import Field, model_validator

from ..errors import ReportError
from ..kinds import Strict
from ..published import Published
from .amounts import OPERATIONS, Amount, combine
from .judgement import once
from .measurements import Measurements, Row, Table

Scalar = str | int | float | bool
Term = Union[str, int, float, "Step"]
Terms = Annotated[tuple[Term, ...], Field(min_length=1)]
Where = dict[str, Scalar | tuple[Scalar, ...]]


class Step(Strict):
    """One amount: ``read`` a field of the row that differs from this one in ``where`` alone, or of a row of the table
    ``of``; or one operation over terms: numbers, earlier steps, fields (``by_slot.local``, ``clusters.0``), keys of
    published numbers, and steps in place."""

    read: str | None = None
    of: str | None = None
    where: Where = {}
    sum: Terms | None = None
    difference: Terms | None = None
    product: Terms | None = None
    ratio: Terms | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        given = [name for name in ("read", *OPERATIONS) if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a step is one of read, {', '.join(OPERATIONS)}; this has {', '.join(given) or 'none'}")
        return self


@dataclass(frozen=True)
class Scope:
    """What names mean in one row: steps, fields of the row, and published numbers, in this order."""

    table: Table | None
    row: Row
    same: tuple[str, ...]
    published: Published
    measurements: Measurements
    steps: dict[str, Amount]

    def amount(self, term: Term) -> Amount:
        """Raises ReportError for a name that means no number, or a ratio to zero."""
        if isinstance(term, Step):
            return self._read(term) if term.read is not None else self._work_out(term)
        if not isinstance(term, str):
            return Amount.exact(term)
        if term in self.steps:
            return self.steps[term]
        return self._field(self.table, self.row, term) or self.published.number(term).amount

    def _field(self, table: Table | None, row: Row, path: str) -> Amount | None:
        value: Any = reduce(_part, path.split("."), row)
        return Amount.exact(value, table.source) if table and _is_number(value) else None

    def _work_out(self, step: Step) -> Amount:
        name = next(name for name in OPERATIONS if getattr(step, name) is not None)
        try:
            return combine(name, [self.amount(term) for term in getattr(step, name)])
        except ZeroDivisionError as error:
            raise ReportError(f"{getattr(step, name)}: a ratio to zero") from error

    def _read(self, step: Step) -> Amount:
        table = self.measurements.table(step.of) if step.of else self.table
        wanted = {**({} if step.of else {key: self.row[key] for key in self.same}), **step.where}
        for row in table.where(wanted) if table else ():
            amount = self._field(table, row, step.read or "")
            if amount is not None:
                return amount
        raise ReportError(f"no {step.read} of {step.of or 'the same table'} where {wanted}")

    def text(self, template: str) -> str:
        """Fill the braces of a template; raises ValueError or ReportError where it does not fit."""
        return template.format_map(_Names(self))

    @property
    def sources(self) -> tuple[str, ...]:
        own = (self.table.source,) if self.table else ()
        return once((*own, *(source for step in self.steps.values() for source in step.sources)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Names(dict[str, Any]):
    """What a name stands for in a text: as in ``Scope``; true and false are ``with`` and ``without``, and lists are set
    apart by commas."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope

    def __missing__(self, name: str) -> Any:
        value = None if name in self._scope.steps else self._scope.row.get(name)
        if isinstance(value, bool):
            return "with" if value else "without"
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return value if isinstance(value, str) else self._scope.amount(name)


def _part(value: Any, name: str) -> Any:
    """One part of a path into what JSON has; None where it leads nowhere."""
    if isinstance(value, list):
        return value[int(name)] if name.lstrip("-").isdigit() and int(name) < len(value) else None
    return value.get(name) if isinstance(value, Mapping) else None
