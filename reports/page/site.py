"""Evidence → every file of the page, in memory: nothing is written before all of it could be made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..errors import ReportError
from ..evidence import Evidence
from .answers import Answered, example_sets, pack, pack_names, read_answers
from .arms import COLUMNS, arm_rows
from .files import file_records
from .runs import run_record
from .script import part
from .shown import Picture
from .sources import Sources
from .status import grid_status
from .texts import MOST_CHARACTERS, Texts, most_divided, read_texts

HERE = Path(__file__).parent
MOST_TEXTS = 2000
"""Of one set of examples, unless the caller says otherwise."""


def make_site(
    evidence: Evidence,
    *,
    shown: Sequence[Picture],
    texts: Mapping[str, Path] | None = None,
    most_texts: int = MOST_TEXTS,
) -> dict[str, bytes]:
    """Path below the page's folder → content; the same evidence gives the same bytes.

    shown: the pictures, in their order; texts: task → JSON lines with name and text of its test examples. Raises
    ReportError where two folders have one name, or a file of texts does not fit.
    """
    _check_folders(evidence)
    answered, problems = read_answers(evidence.grids)
    given = {task: read_texts(path, task, answered) for task, path in sorted((texts or {}).items())}
    sources, parts = Sources(), dict[str, Any]()
    records = _records(evidence, parts)
    sets = _examples(answered, given, most_texts, parts)
    rows = [row for grid in evidence.grids for row in arm_rows(evidence, grid, sources)]
    parts["index"] = {
        "columns": [dict(zip(("key", "head", "unit"), column, strict=True)) for column in COLUMNS],
        "rows": rows, "records": records, "sets": sets, "sources": sources.listed(),
    }  # fmt: skip
    files = {f"data/{key}.js": part(key, value).encode() for key, value in parts.items()}
    files |= {f"pictures/{picture.name}.svg": picture.svg.encode() for picture in shown}
    files |= {f"static/{path.name}": path.read_bytes() for path in sorted((HERE / "static").iterdir())}
    return {"index.html": _html(evidence, shown, problems, rows).encode(), **files}


def _check_folders(evidence: Evidence) -> None:
    counts = Counter(grid.folder.name for grid in evidence.grids)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ReportError(f"Two folders are named {twice[0]}, so that a link could not tell their runs apart: rename "
                          "one, or make a page of each.")  # fmt: skip


def _records(evidence: Evidence, parts: dict[str, Any]) -> list[dict[str, Any]]:
    """What a link can open: every run and every file of a grid's own; the records themselves go into ``parts``."""
    found = []
    for grid in evidence.grids:
        for cell in grid.cells:
            if cell.arm is not None:
                key = f"runs/{len(parts):05}"
                parts[key] = run_record(grid, cell)
                accuracy = cell.result.metrics.test.accuracy if cell.result else None
                about = {"arm": cell.arm, "seed": cell.seed, "status": str(cell.status), "accuracy": accuracy}
                found.append({"source": cell.where, "part": key, **about})
        for source, content in file_records(grid):
            key = f"files/{len(parts):05}"
            parts[key] = {"where": source, "content": content}
            found.append({"source": source, "part": key})
    return found


def _examples(
    answered: Sequence[Answered], texts: Mapping[str, Texts], most: int, parts: dict[str, Any]
) -> list[dict[str, Any]]:
    sets = example_sets(answered)
    by_where = {run.cell.where: run for run in answered}
    by_digest: dict[str, list[Answered]] = {}
    for record in (record for example_set in sets for record in example_set["runs"]):
        run = by_where[record["where"]]
        by_digest.setdefault(run.digest, []).append(run)
        record["part"] = f"answers/{len(parts):05}"
        parts[record["part"]] = pack(run.answers)
    for digest, runs in by_digest.items():
        task = texts.get(str(runs[0].cell.task))
        shown, divided = most_divided(runs, task, most) if task else ([], 0)
        parts[f"examples/{digest}"] = {
            **pack_names(runs[0].names.tolist()), "labels": pack(runs[0].labels), "divided": divided,
            "texts": [[place, text[:MOST_CHARACTERS], len(text)] for place, text in shown],
        }  # fmt: skip
    return sets


def _html(evidence: Evidence, shown: Sequence[Picture], problems: Sequence[str], rows: Sequence[Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    statuses = [grid_status(evidence, grid, [s for s, _ in file_records(grid)]) for grid in evidence.grids]
    return environment.get_template("index.html").render(
        grids=statuses, pictures=shown, problems=problems, columns=COLUMNS,
        grid_names=sorted({row["grid"] for row in rows}), tasks=sorted({row["task"] for row in rows}),
        factors=sorted({name for row in rows for name in (*row["on"], *row["off"])}),
    )  # fmt: skip
