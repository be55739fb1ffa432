"""Study → every file of the page, in memory: nothing is written before all of it could be made."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from swarmformer.records import load_json

from ..definition import Definition
from ..render import environment, fragment, utf8
from ..report import drawings_of
from ..study.model import GridStudy, Study
from .arms import COLUMNS, arm_rows
from .examples import MOST_TEXTS, Answered, Texts, answered, example_sets, most_divided, read_texts
from .runs import FILES, run_record, yaml_text

HERE = Path(__file__).parent
PAGES = environment(HERE / "templates", autoescape=True)
# "<" could end a script element or open a comment in it, "&" an entity. In JSON they stand in strings alone.
ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


class Sources:
    """Lists of sources, each under a digest of its content: the same list has the same name in every page."""

    def __init__(self) -> None:
        self.lists: dict[str, list[str]] = {}

    def name(self, sources: Iterable[str]) -> str:
        """The name of this list of sources; empty for an empty list."""
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
    sources, parts = Sources(), dict[str, Any]()
    records = [*_runs(study, parts), *_files(study, parts)]
    sets = _examples(runs, known, most, parts)
    facts = study.runs.set_index("where")
    for run in (run for each in sets for run in each["runs"]):
        run["alike"] = facts.loc[run["where"], ["code", "device", "data_key"]].tolist()
    tables = [table for definition in definitions for table in definition.tables(study) if definition.table != "arms"]
    drawings = drawings_of(study, definitions)
    rows = arm_rows(study, sources)
    parts["index"] = {
        "columns": [dict(zip(("key", "head", "unit"), column, strict=True)) for column in COLUMNS], "rows": rows,
        "records": records, "sets": sets, "tables": {
            table.name: [[sources.name(row.entries[index].sources) for index in table.printed] for row in table.rows]
            for table in tables
        },
        "sources": dict(sorted(sources.lists.items())),
    }  # fmt: skip
    index = PAGES.get_template("index.html.j2").render(
        grids=study.grids, files={grid.folder: [name for name, _ in _own(grid)] for grid in study.grids}, rows=rows,
        problems=problems, drawings=drawings, tables=[(table, fragment(table)) for table in tables],
        factors=sorted({name for row in rows for name in (*row["on"], *row["off"])}),
    )  # fmt: skip
    return {
        "index.html": utf8(index),
        **{f"data/{key}.js": script(key, value) for key, value in parts.items()},
        **{f"figures/{each.name}.svg": each.draw()[f"{each.name}.svg"] for each in drawings},
        **{path.relative_to(HERE).as_posix(): path.read_bytes()
           for path in sorted((HERE / "static").rglob("*")) if path.is_file()},
    }  # fmt: skip


def script(key: str, value: object) -> bytes:
    """A script that puts ``value`` under ``key`` into the page's map ``PARTS``: what a page opened as a file can read.

    The value is parsed from a JSON text and not written as an object literal, in which the key ``__proto__`` would
    not be a key. Everything beyond ASCII is escaped. Numbers that are not finite become null.
    """
    text = json.dumps(json.dumps(_finite(value), allow_nan=False, separators=(",", ":")))
    return f"(window.PARTS ??= new Map()).set({json.dumps(key)}, JSON.parse({text}));\n".translate(ESCAPES).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _runs(study: Study, parts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a link can open; the records themselves go into ``parts``."""
    cells = {cell.where: (grid, cell) for grid in study.grids for cell in grid.cells if cell.arm is not None}
    facts = study.runs.set_index("where")
    for where, (grid, cell) in cells.items():
        key = f"runs/{len(parts):05}"
        record = run_record(grid, cell)
        html = PAGES.get_template("run.html.j2").render(run=record, cell=cell, fact=facts.loc[where].dropna().to_dict())
        parts[key] = {"html": html, "curves": record["curves"]}
        accuracy = cell.result.metrics.test.accuracy if cell.result else None
        about = {"arm": cell.arm, "seed": cell.seed, "status": str(cell.status), "accuracy": accuracy}
        yield {"source": where, "part": key, **about}


def _files(study: Study, parts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for source, text in {source: text for grid in study.grids for source, text in _own(grid)}.items():
        key = f"files/{len(parts):05}"
        parts[key] = {"html": PAGES.get_template("file.html.j2").render(source=source, text=text), "curves": []}
        yield {"source": source, "part": key}


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
    runs: Sequence[Answered], texts: Mapping[str, Texts], most: int, parts: dict[str, Any]
) -> list[dict[str, Any]]:
    sets, by_digest = [], dict[str, list[Answered]]()
    for record, members in example_sets(runs):
        sets.append(record)
        for of_run, run in zip(record["runs"], members, strict=True):
            by_digest.setdefault(run.digest, []).append(run)
            of_run["part"] = f"answers/{len(parts):05}"
            parts[of_run["part"]] = run.answers.tolist()
    for digest, members in by_digest.items():
        task = texts.get(str(members[0].cell.task))
        shown, divided = most_divided(members, task, most) if task else ([], 0)
        parts[f"examples/{digest}"] = {
            "names": members[0].names.tolist(), "labels": members[0].labels.tolist(),
            "divided": divided, "texts": shown, "classes": _classes(members[0]),
        }  # fmt: skip
    return sets
