"""A study and definitions → every file of a report, in memory: nothing is written before all of it could be made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from swarmformer.records.base import digest_of

from . import figures
from .definition import Definition
from .errors import ReportError
from .origin import ALONE, sources_json, sources_of
from .origin import NAME as SOURCES
from .render import FORMATS, TEXTS, Table, page, terminal, utf8
from .render.escape import csv_text
from .study.model import Study
from .study.runs import NOT_WHOLE
from .written import write_together

RUNS, STATUS = "results.parquet", "status.md"


@dataclass(frozen=True)
class Drawing:
    """A figure that is not drawn yet, and the data that it is drawn from; ``page``: where it stands, where on one."""

    name: str
    title: str
    figure: figures.Figure
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    page: str | None = None

    def draw(self, formats: Sequence[str] = figures.FORMATS) -> dict[str, bytes]:
        """File name → content."""
        painted = self.figure.draw(self.frame, self.title)
        return {f"{self.name}.{suffix}": figures.drawn(painted, suffix) for suffix in formats}


@dataclass(frozen=True)
class Report:
    """``files`` has all but what ``drawings`` give, each drawn in every one of ``formats``; ``sources``: as
    ``sources_of`` gives them."""

    files: dict[str, bytes]
    sources: Mapping[str, Any]
    drawings: tuple[Drawing, ...]
    status: str
    arms: tuple[Table, ...]
    formats: tuple[str, ...] = figures.FORMATS

    @property
    def names(self) -> set[str]:
        """Of all files, drawn ones too."""
        drawn = (f"{drawing.name}.{suffix}" for drawing in self.drawings for suffix in self.formats)
        return {*self.files, *drawn}

    def committed(self) -> Report:
        """Without what ``swarmformer report`` makes of the committed runs again: pages of tables, and figures as SVG;
        what they were made of stands together with that of others."""
        pages = {name: content for name, content in self.files.items() if name.endswith(".md") and name != STATUS}
        return replace(self, files=pages, formats=("svg",))

    def shown(self, width: int) -> str:
        """What a terminal of ``width`` characters shows: status and arms."""
        return "\n".join([self.status, *(terminal(table, width) for table in self.arms)])


def make_report(study: Study, definitions: Sequence[Definition], home: Path) -> Report:
    """Make the report that is to lie in the folder ``home``.

    Raises ReportError where a definition names an unknown kind or option, or two files would have one name.
    """
    made = [(definition, table) for definition in definitions for table in definition.tables(study)]
    tables, arms = [table for _, table in made], [table for definition, table in made if definition.table == "arms"]
    drawings = drawings_of(study, definitions)
    # Counts of every status, each cell that is not completed with its cause, the registration and matched pairs.
    status = TEXTS.get_template("status.md.j2").render(grids=study.grids)
    named = [(STATUS, utf8(status)), (RUNS, runs_parquet(study.runs))]
    named += pages_of(made, drawings)
    named += [(f"{table.name}.{suffix}", utf8(make(table))) for suffix, make in FORMATS.items() for table in tables]
    data = [(drawing.name, utf8(csv_text(drawing.frame))) for drawing in drawings]
    named += [(f"{name}.csv", text) for name, text in data]
    drawn_from = {name: digest_of(text) for name, text in data}
    sources = sources_of(tables, drawn_from, study, home)
    named += [(SOURCES, utf8(sources_json({ALONE: sources})))]
    twice = [name for name, count in Counter(name for name, _ in named).items() if count > 1]
    if twice:
        raise ReportError(f"two files of the report would be named {twice[0]}: rename a grid or a definition")
    return Report(dict(named), sources, tuple(drawings), status, tuple(arms))


def pages_of(made: Iterable[tuple[Definition, Table]], drawings: Sequence[Drawing]) -> list[tuple[str, bytes]]:
    """Name and content of every Markdown file; tables stand in the order of their definitions, before figures."""
    pages = dict[str, list[Table]]()
    for definition, table in made:
        pages.setdefault(definition.page or definition.name, []).append(table)
    pictures = {name: [drawing for drawing in drawings if drawing.page == name] for name in pages}
    return [(f"{name}.md", utf8(page(tables, pictures[name]))) for name, tables in pages.items()]


def drawings_of(study: Study, definitions: Sequence[Definition]) -> list[Drawing]:
    """The figures of the definitions that have something to show. Raises ReportError for an unknown kind or option."""
    made = []
    for definition in (each for each in definitions if each.figure is not None):
        try:
            figure = figures.KINDS.make(str(definition.figure), definition.options)
            frame, at = figure.data(study), definition.page
            made.append(Drawing(definition.name, definition.title, figure, frame, definition.notes, at))
        except ReportError as error:
            raise ReportError(f"{definition.name}.yaml: {error}") from error
    return [drawing for drawing in made if not drawing.frame.empty]


def runs_parquet(runs: pd.DataFrame) -> bytes:
    """``results.parquet``: the tidy table of all runs, without index and without marks of the machine that wrote it.

    The same table gives the same bytes; a value that a run does not have is null.
    """
    texts = {name: runs[name].map(lambda text: utf8(text).decode(), na_action="ignore")
             for name in runs if _type(name) == pa.string()}  # fmt: skip
    schema = pa.schema([(name, _type(name)) for name in runs])
    table = pa.Table.from_pandas(runs.assign(**texts), schema=schema, preserve_index=False)
    buffer = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(None), buffer, compression="zstd")
    return bytes(buffer.getvalue())


WHOLE = ("seed", "test_examples", "parameters_", "flops_", "truncated_")
"""What the names of columns of whole numbers begin with."""
TRUTH = "tf32"
"""The only column that is true or false."""


def _type(column: str) -> pa.DataType:
    if column.startswith(WHOLE):
        return pa.int64()
    if column == TRUTH:
        return pa.bool_()
    return pa.float64() if column in NOT_WHOLE else pa.string()


def write_report(report: Report, out: Path) -> None:
    """Draw the figures, then write all files into ``out``; files that are there already are left or replaced.

    Raises ReportError, with everything left as it was, where that is not possible.
    """
    drawn = {name: content for drawing in report.drawings
             for name, content in drawing.draw(report.formats).items()}  # fmt: skip
    write_together(out, {**report.files, **drawn})
