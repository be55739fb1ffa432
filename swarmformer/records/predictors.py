"""``floors.json``: what predictors without a network reach on a grid's task."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from .base import Document, Natural, Record, Share


class Floor(Record):
    """A baseline, which a model must beat; or an oracle, which knows how the examples are made.

    detail: how it was made: C chosen on the validation split, number of features …
    """

    name: str
    kind: Literal["baseline", "oracle"] = "baseline"
    accuracy: Share
    n: Natural
    split: str
    detail: dict[str, str | int | float] = {}


class Floors(Document):
    """``left_out``: predictors that the task cannot have, with the reason."""

    SCHEMA: ClassVar[int] = 2

    task: str
    data_key: str
    floors: tuple[Floor, ...]
    left_out: dict[str, str] = {}

    @classmethod
    def upgraded(cls, raw: dict[str, Any], schema: int) -> dict[str, Any]:
        """Schema 1 called a baseline a floor, and an oracle a ceiling."""
        words = {"floor": "baseline", "ceiling": "oracle"}
        rows = [{**row, "kind": words[row.get("kind", "floor")]} for row in raw["floors"]]
        return {**raw, "floors": rows}
