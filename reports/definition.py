"""A table or picture of the paper, defined in a small file each: ``reports/tables/NAME.yaml``.

title: Effects of the eight enhancements
table: effects            # or picture: KIND; what there is: reports.makers.MAKERS, reports.pictures.PICTURES
options: {order: 2}       # of that kind, checked by it
note: what a reader should know
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import ReportError

FOLDER = Path(__file__).with_name("tables")


class Definition(BaseModel):
    """One definition file; ``name`` is that of the file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    name: str
    title: str = Field(min_length=1)
    table: str | None = None
    picture: str | None = None
    options: dict[str, Any] = {}
    committed: bool = False
    note: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.table is None) == (self.picture is None):
            raise ValueError("give either table: KIND or picture: KIND")
        return self


def read_definitions(folder: Path = FOLDER) -> list[Definition]:
    """All definitions of a folder, by file name.

    Raises ReportError where a file is not YAML or has keys or values that do not fit.
    """
    return [_read(path) for path in sorted(folder.glob("*.yaml"))]


def for_any_runs(folder: Path = FOLDER) -> list[Definition]:
    """The definitions that are made of the runs given alone. Raises ReportError: see ``read_definitions``."""
    return [definition for definition in read_definitions(folder) if not definition.committed]


def _read(path: Path) -> Definition:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Definition.model_validate({"name": path.stem, **raw})
    except (yaml.YAMLError, TypeError, ValidationError) as error:
        raise ReportError(f"{path.name}: not a definition of a table or picture: {error}") from error
