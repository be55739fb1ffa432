"""``reports/reports.yaml``: which reports are committed, and what each is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from .definition import FOLDER, Definition, read_definitions
from .errors import ReportError
from .evidence import gather
from .report import Report, make_report

NAME = "reports.yaml"
REPORTS = Path(__file__).parent


class Entry(BaseModel):
    """One report; paths are relative to the folder of the manifest."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    out: str
    runs: list[str] = Field(min_length=1)
    mix: list[Literal["data", "code", "device"]] = []
    tables: list[str] | None = Field(default=None, min_length=1)


@dataclass(frozen=True)
class Committed:
    """A report of the manifest in the folder ``root``, which is not made yet."""

    entry: Entry
    root: Path

    @property
    def out(self) -> Path:
        return self.root / self.entry.out

    def make(self, tables: Path = FOLDER) -> Report:
        """Raises ReportError: see ``gather`` and ``make_report``; or for a definition that is not there."""
        definitions = _chosen(read_definitions(tables), self.entry)
        runs = [self.root / path for path in self.entry.runs]
        return make_report(gather(runs, self.entry.mix), definitions, self.out)


def read_manifest(root: Path = REPORTS) -> list[Committed]:
    """The reports of ``root/reports.yaml``, in its order.

    Raises ReportError where it cannot be read, has keys that do not fit, or names a folder twice.
    """
    path = root / NAME
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = TypeAdapter(list[Entry]).validate_python(raw, strict=True)
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ReportError(f"{NAME}: not a list of reports: {error}") from error
    outs = [entry.out for entry in entries]
    if len(set(outs)) < len(outs):
        raise ReportError(f"{NAME}: two reports have the same folder: {', '.join(sorted(outs))}")
    return [Committed(entry, root) for entry in entries]


def _chosen(definitions: list[Definition], entry: Entry) -> list[Definition]:
    if entry.tables is None:
        return definitions
    unknown = sorted(set(entry.tables) - {definition.name for definition in definitions})
    if unknown:
        raise ReportError(f"{NAME}: {entry.out}: no definition {', '.join(unknown)} in reports/tables")
    return [definition for definition in definitions if definition.name in entry.tables]
