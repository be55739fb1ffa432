"""Evidence and definitions → every file of a report, in memory: nothing is written before all of it could be made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from matplotlib.figure import Figure

from . import html, parquet, sources
from .csvfile import sheet_csv
from .definition import Definition
from .errors import ReportError
from .evidence import Evidence
from .latex import sheet_latex
from .makers import MAKERS
from .markdown import sheet_markdown
from .matched import matched_pairs
from .pictures import PICTURES
from .read import Grid
from .registration import followed
from .sheet import Sheet
from .status import status_markdown
from .style import save

RENDERERS = {"md": sheet_markdown, "tex": sheet_latex, "csv": sheet_csv, "html": html.document}
DRAWN = ("svg", "png")


@dataclass(frozen=True)
class Drawing:
    """A picture that is not drawn yet, and the data that it is drawn from."""

    name: str
    kind: str
    title: str
    frame: pd.DataFrame

    def draw(self) -> dict[str, bytes]:
        """File name → content."""
        figure = PICTURES[self.kind].draw(self.frame, self.title)
        return {f"{self.name}.{suffix}": _drawn(figure, suffix) for suffix in DRAWN}


@dataclass(frozen=True)
class Report:
    """``files`` has all but what ``drawings`` give; ``shown`` is what a terminal is to show."""

    files: dict[str, bytes]
    drawings: tuple[Drawing, ...]
    shown: str

    @property
    def names(self) -> set[str]:
        """Of all files, drawn ones too."""
        return {*self.files, *(f"{drawing.name}.{suffix}" for drawing in self.drawings for suffix in DRAWN)}


def make_report(evidence: Evidence, definitions: Sequence[Definition], home: Path) -> Report:
    """Make the report that is to lie in the folder ``home``.

    Raises ReportError where a definition names an unknown kind or option, or two files would have one name.
    """
    sheets, shown = sheets_of(evidence, definitions)
    drawings = drawings_of(evidence, definitions)
    status = status_markdown(evidence.grids)
    named = [("status.md", status.encode())]
    for suffix, make in RENDERERS.items():
        named += [(f"{sheet.name}.{suffix}", make(sheet).encode()) for sheet in sheets]
    named += [(f"{drawing.name}.csv", _csv(drawing.frame)) for drawing in drawings]
    named += [(sources.NAME, sources.sources_json(sheets, evidence, home).encode())]
    named += [(parquet.NAME, parquet.results_parquet(evidence.runs))]
    _refuse_twice([name for name, _ in named])
    return Report(dict(named), tuple(drawings), "\n".join([status, *(sheet_markdown(sheet) for sheet in shown)]))


def sheets_of(evidence: Evidence, definitions: Iterable[Definition]) -> tuple[list[Sheet], list[Sheet]]:
    """All sheets, and those of kind ``arms``."""
    sheets, shown = list[Sheet](), list[Sheet]()
    for definition in definitions:
        if definition.table is not None:
            _check_kind(definition, definition.table, MAKERS)
            made = [_completed(sheet, definition, evidence) for sheet in MAKERS[definition.table](evidence, definition)]
            sheets += made
            shown += made if definition.table == "arms" else []
    return sheets, shown


def drawings_of(evidence: Evidence, definitions: Iterable[Definition]) -> list[Drawing]:
    """The pictures of the definitions that have something to show."""
    found = []
    for definition in definitions:
        if definition.picture is not None:
            _check_kind(definition, definition.picture, PICTURES)
            frame = PICTURES[definition.picture].data(evidence, definition.options)
            found.append(Drawing(definition.name, definition.picture, definition.title, frame))
    return [drawing for drawing in found if not drawing.frame.empty]


def _check_kind(definition: Definition, kind: str, kinds: Collection[str]) -> None:
    if kind not in kinds:
        raise ReportError(f"{definition.name}.yaml: no kind {kind!r}; there are {', '.join(sorted(kinds))}")


def _completed(sheet: Sheet, definition: Definition, evidence: Evidence) -> Sheet:
    """A sheet with a name that a file can have, its definition's note, and what is to be said of its grids' plans."""
    used = {sources.root_of(source) for row in sheet.rows for entry in row for source in entry.sources}
    grids = [grid for grid in evidence.grids if {grid.name, grid.folder.name} & used]
    name = re.sub(r"[^\w+-]+", "-", sheet.name)
    note = [definition.note] if definition.note and definition.note not in sheet.notes else []
    warnings = (*sheet.warnings, *(line for grid in grids for line in _warnings(grid)))
    return replace(sheet, name=name, warnings=warnings, notes=(*sheet.notes, *note, *map(_registered, grids)))


def _warnings(grid: Grid) -> list[str]:
    found = followed(grid)
    said = [f"The registered plan of grid {grid.name} was not kept to: {'; '.join(found.deviations)}."]
    return [*(said if found.deviations else []), *(pair.words for pair in matched_pairs(grid) if not pair.holds)]


def _registered(grid: Grid) -> str:
    return " ".join([followed(grid).registered, *(pair.words for pair in matched_pairs(grid) if pair.holds)])


def _drawn(figure: Figure, suffix: str) -> bytes:
    with TemporaryDirectory() as folder:
        save(figure, Path(folder) / f"picture.{suffix}")
        return (Path(folder) / f"picture.{suffix}").read_bytes()


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _refuse_twice(names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ReportError(f"two files of the report would be named {twice[0]}: rename a grid or a definition")


def write_report(report: Report, out: Path) -> None:
    """Draw the pictures, then write all files into ``out``; files that are there already are left or replaced."""
    drawn = [files for drawing in report.drawings for files in drawing.draw().items()]
    out.mkdir(parents=True, exist_ok=True)
    for name, content in [*report.files.items(), *drawn]:
        (out / name).write_bytes(content)
