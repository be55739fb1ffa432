"""Study → every file of the page, in memory: nothing is written before all of it could be made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pandas import isna

from swarmformer.records import load_json

from ..definition import Definition
from ..render import Table, environment, fragment, utf8
from ..report import drawings_of
from ..study.model import GridStudy, Study
from .arms import COLUMNS, arm_rows
from .examples import MOST_TEXTS, Answered, Texts, answered, example_sets, most_divided, read_texts
from .packs import Packs, json_text, script
from .runs import FILES, run_record
from .yaml_text import yaml_text

HERE = Path(__file__).parent
PAGES = environment(HERE / "templates", autoescape=True)


class Sources:
    """Lists of sources, each under a digest of its content: the same list has the same name in every page."""

    def __init__(self) -> None:
        self.lists: dict[str, list[str]] = {}
        self._named: dict[int, tuple[tuple[str, ...], str]] = {}

    def name(self, sources: tuple[str, ...]) -> str:
        """The name of this list of sources; empty for an empty list. One that thousands of numbers share is read once:
        what is kept with its name stays the only one of its ``id``."""
        if id(sources) not in self._named:
            self._named[id(sources)] = sources, self._name(sources)
        return self._named[id(sources)][1]

    def _name(self, sources: Iterable[str]) -> str:
        listed = list(dict.fromkeys(sources))
        name = hashlib.sha256("\n".join(listed).encode("utf-8", "surrogatepass")).hexdigest()[:12] if listed else ""
        self.lists |= {name: listed} if listed else {}
        return name


def make_site(
    study: Study, definitions: Sequence[Definition], texts: Mapping[str, Path] | None = None, most: int = MOST_TEXTS
) -> dict[str, bytes]:
    """Path below the page's folder → content; the same study gives the same bytes.

    texts: task → JSON lines with name and text of its test examples, of which the page holds at most ``most``. Raises
    ReportError where a file of texts does not fit.
    """
    runs, problems = answered(study)
    known = {task: read_texts(path, task, runs) for task, path in sorted((texts or {}).items())}
    sources, parts = Sources(), Packs()
    facts = {fact["where"]: fact for fact in study.runs.to_dict("records")}
    records = [*_runs(study, facts, parts), *_files(study, parts)]
    sets = _examples(runs, known, most, facts, parts)
    others = [definition for definition in definitions if definition.table != "arms"]  # those have a table of their own
    tables = [table for definition in others for table in definition.tables(study)]
    drawings = drawings_of(study, definitions)
    rows = arm_rows(study, sources)
    index = PAGES.get_template("index.html.j2").render(
        grids=study.grids, files={grid.folder: [name for name, _ in _own(grid)] for grid in study.grids}, rows=rows,
        problems=problems, drawings=drawings, tables=[(table, fragment(table)) for table in tables],
        factors=sorted({name for row in rows for name in (*row["on"], *row["off"])}),
    )  # fmt: skip
    return {
        "index.html": utf8(index),
        "data/index.js": script("index", json_text(_listed(rows, records, sets, tables, sources))),
        **parts.files(),
        **{f"figures/{each.name}.svg": each.draw(("svg",))[f"{each.name}.svg"] for each in drawings},
        **_static_files(),
    }


def _listed(
    rows: list[dict[str, Any]], records: list[dict[str, Any]], sets: list[dict[str, Any]], tables: Sequence[Table],
    sources: Sources,
) -> dict[str, Any]:
    """What scripts of the page read first."""
    return {
        "columns": [dict(zip(("key", "head", "unit"), column, strict=True)) for column in COLUMNS], "rows": rows,
        "records": records, "sets": sets, "tables": {
            table.name: [[sources.name(row.entries[index].sources) for index in table.printed] for row in table.rows]
            for table in tables
        },
        "sources": dict(sorted(sources.lists.items())),  # when all that the tables have are named
    }  # fmt: skip


def _static_files() -> dict[str, bytes]:
    files = (path for path in sorted((HERE / "static").rglob("*")) if path.is_file())
    return {path.relative_to(HERE).as_posix(): path.read_bytes() for path in files}


def _runs(study: Study, facts: Mapping[str, Mapping[Any, Any]], parts: Packs) -> Iterator[dict[str, Any]]:
    """What a link can open; the records themselves go into ``parts``."""
    cells = {cell.where: (grid, cell) for grid in study.grids for cell in grid.cells if cell.arm is not None}
    template = PAGES.get_template("run.html.j2")
    for where, (grid, cell) in cells.items():
        record = run_record(grid, cell)
        known = {name: value for name, value in facts[where].items() if not isna(value)}
        html = template.render(run=record, cell=cell, fact=known)
        key = parts.add({"html": html, "curves": record["curves"]})
        accuracy = cell.result.metrics.test.accuracy if cell.result else None
        about = {"arm": cell.arm, "seed": cell.seed, "status": str(cell.status), "accuracy": accuracy}
        yield {"source": where, "part": key, **about}


def _files(study: Study, parts: Packs) -> Iterator[dict[str, Any]]:
    for source, text in {source: text for grid in study.grids for source, text in _own(grid)}.items():
        html = PAGES.get_template("file.html.j2").render(source=source, text=text)
        yield {"source": source, "part": parts.add({"html": html, "curves": []})}


def _own(grid: GridStudy) -> Iterator[tuple[str, str]]:
    """``folder/name`` and content of the files of a grid's own that numbers come from; those that can be read."""
    unread = {cell.where for cell in grid.cells if cell.arm is None}
    for source, path in ((f"{grid.folder.name}/{name}", grid.folder / name) for name in FILES):
        if path.is_file() and source not in unread:
            yield source, yaml_text(load_json(path))


def _classes(run: Answered) -> list[str]:
    """The names of its labels, where it knows them."""
    facts = run.cell.result.data if run.cell.result else None
    return facts.classes if facts else []


def _examples(
    runs: Sequence[Answered], texts: Mapping[str, Texts], most: int, facts: Mapping[str, Mapping[Any, Any]],
    parts: Packs,
) -> list[dict[str, Any]]:
    sets, by_digest = list[dict[str, Any]](), dict[str, list[Answered]]()
    for record, members in example_sets(runs):
        sets.append(record)
        for of_run, run in zip(record["runs"], members, strict=True):
            by_digest.setdefault(run.digest, []).append(run)
            of_run["part"] = parts.add(run.answers.tolist())
            of_run["alike"] = [facts[of_run["where"]][key] for key in ("code", "device", "data_key")]
    asked = dict[str, str]()
    for digest, members in by_digest.items():
        task = texts.get(str(members[0].cell.task))
        shown, divided = most_divided(members, task, most) if task else ([], 0)
        asked[digest] = parts.add({
            "names": members[0].names.tolist(), "labels": members[0].labels.tolist(),
            "divided": divided, "texts": shown, "classes": _classes(members[0]),
        })  # fmt: skip
    for record in sets:
        record["part"] = asked[record.pop("digest")]
    return sets
