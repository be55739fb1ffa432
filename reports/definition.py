"""A table or figure of the paper, defined in a small file each: ``reports/definitions/NAME.yaml``.

title: Effects of the factors
table: effects            # or figure: KIND; a file in reports/tables or reports/figures, or package.module:name
options: {order: 2}       # of that kind, checked by it
page: runs                # on runs.md, with all that say so; else a table on NAME.md, a figure on no page
committed: true           # made for committed reports alone, as it needs their measurements
notes: [what a reader should know, before what the kind itself says]
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from swarmformer.errors import SpecError
from swarmformer.yaml import read_yaml

from .errors import ReportError
from .kinds import Strict
from .render import Table
from .study.model import Study
from .tables import KINDS

FOLDER = Path(__file__).with_name("definitions")


class Definition(Strict):
    """One definition file; ``name`` is that of the file."""

    name: str
    title: str = Field(min_length=1)
    table: str | None = None
    figure: str | None = None
    options: dict[str, Any] = {}
    page: str | None = Field(default=None, pattern=r"^[\w-]+$")
    committed: bool = False
    notes: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if (self.table is None) == (self.figure is None):
            raise ValueError("give either table: KIND or figure: KIND")
        return self

    def tables(self, study: Study) -> list[Table]:
        """What the kind makes of a study, under this definition's name, title and notes; nothing for a figure.

        Raises ReportError where there is no such kind or option, or the kind cannot make its tables.
        """
        if self.table is None:
            return []
        try:
            made = KINDS.make(self.table, self.options)(study)
        except ReportError as error:
            raise ReportError(f"{self.name}.yaml: {error}") from error
        return [self._completed(table) for table in made]

    def _completed(self, table: Table) -> Table:
        name = re.sub(r"[^\w+-]+", "-", "_".join(filter(None, (self.name, table.name))))
        title = ": ".join(filter(None, (self.title, table.title)))
        return replace(table, name=name, title=title, notes=(*self.notes, *table.notes))


def read_definitions(*folders: Path, only: Collection[str] | None = None) -> list[Definition]:
    """All definitions of ours and of further folders, by file name, ``figure2`` before ``figure10``; ``only`` those of
    these names.

    Raises ReportError where a file is not YAML or has keys or values that do not fit, a name is given twice, or one of
    ``only`` is not there.
    """
    for folder in folders:
        if not any(folder.glob("*.yaml")):
            what = "no definitions (*.yaml)" if folder.is_dir() else "no such folder"
            raise ReportError(f"{folder}: {what}. Name a folder of definitions of tables and figures with --tables.")
    named = dict[str, Path]()
    for path in (path for folder in (FOLDER, *folders) for path in sorted(folder.glob("*.yaml"), key=_counted)):
        if path.stem in named:
            raise ReportError(f"two definitions are named {path.name}: in {named[path.stem].parent} and {path.parent}")
        named[path.stem] = path
    unknown = sorted(set(only or ()) - named.keys())
    if unknown:
        raise ReportError(f"no definition {', '.join(unknown)}; there are {', '.join(named)}")
    return [_read(path) for name, path in named.items() if only is None or name in only]


def _counted(path: Path) -> list[tuple[str, int]]:
    """Words of a file's name, and the number after each."""
    return [(word, int(number or 0)) for word, number in re.findall(r"(\D*)(\d*)", path.stem)]


def for_any_runs(definitions: Iterable[Definition]) -> list[Definition]:
    """Those that are made of the runs given alone."""
    return [definition for definition in definitions if not definition.committed]


def _read(path: Path) -> Definition:
    try:
        return Definition.model_validate({"name": path.stem, **read_yaml(path)})
    except (SpecError, ValidationError) as error:
        raise ReportError(f"{path.name}: not a definition of a table or figure: {error}") from error
