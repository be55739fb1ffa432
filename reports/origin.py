"""``sources.json``, whose parts ``reports.trace`` lists, and what each source in it says of itself."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from swarmformer.records import ARCHIVE, CONFIG, ENVIRONMENT, FAILURE, RESULT, UnreadableFileError, load_json, opened

from .errors import ReportError
from .measured import RESULTS
from .render import Table
from .study.model import Study
from .study.read import read_runs

NAME, SCHEMA = "sources.json", 4
REPORTS = Path(__file__).parent
ALONE = "."
"""The folder of a report beside its own sources.json."""


def sources_json(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """The content of sources.json. ``reports``: folder of each, relative to that of the file → its ``sources_of``."""
    return _lines({"schema": SCHEMA, "reports": reports}, depth=6) + "\n"


def sources_of(
    tables: Sequence[Table], drawn_from: Mapping[str, str], study: Study, home: Path
) -> dict[str, Any]:
    """What a report in the folder ``home`` is made of. ``drawn_from``: figure → SHA-256 of its data as CSV.

    Raises ReportError for a source that is neither of the runs that were read nor a file of ``reports``.
    """
    entries = [entry for table in tables for row in table.rows for entry in row.entries]
    # By identity first: a set of thousands of sources may stand behind thousands of entries.
    known = {id(of_set): of_set for of_set in (entry.sources for entry in entries)}
    sets = list(dict.fromkeys(known.values()))
    sources = list(dict.fromkeys(source for of_set in sets for source in of_set))
    number = {source: place for place, source in enumerate(sources)}
    place_of = {of_set: place for place, of_set in enumerate(sets)}
    set_number = {which: place_of[of_set] for which, of_set in known.items()}
    return {
        "roots": _roots(sources, study, home), "sources": sources,
        "sets": [[number[source] for source in of_set] for of_set in sets], "figures": dict(drawn_from),
        "tables": {table.name: _described(table, set_number) for table in tables},
    }  # fmt: skip


def _described(table: Table, set_number: Mapping[int, int]) -> dict[str, Any]:
    """A table with the number of the set of sources behind every text; ``set_number``: by the set's ``id``."""
    columns = [
        {"head": column.head, "printed": index in table.printed,
         "csv": [name for name, (of, _) in table.csv_columns.items() if of == index]}
        for index, column in enumerate(table.columns)
    ]  # fmt: skip
    rows = [[[entry.text, set_number[id(entry.sources)]] for entry in row.entries] for row in table.rows]
    return {"title": table.title, "columns": columns, "rows": rows}


def _roots(sources: Iterable[str], study: Study, home: Path) -> dict[str, str]:
    names = Counter(name for name, _ in {(grid.name, grid.folder) for grid in study.grids})
    folders = {grid.name: grid.home for grid in study.grids if names[grid.name] == 1}
    folders |= {grid.folder.name: grid.home for grid in study.grids}
    roots = {}
    for first in sorted({root_of(source) for source in sources}):
        places = [folders.get(first), RESULTS / first, REPORTS / first]
        place = next((place for place in places if place is not None and place.exists()), None)
        if place is None:
            raise ReportError(f"{first}: a source that is neither a run folder that was read nor a file of reports")
        roots[first] = Path(os.path.relpath(place, home)).as_posix()
    return roots


def root_of(source: str) -> str:
    """``grid/cell`` → ``grid``; ``published.yaml#key`` → ``published.yaml``."""
    return source.partition("#")[0].partition("/")[0]


def _lines(value: Any, depth: int, indent: str = "") -> str:
    """JSON that is broken into lines down to ``depth``, so that every set and every row has a line of its own."""
    if not depth or not value or not isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    inner, ends = indent + " ", "[]" if isinstance(value, list) else "{}"
    named = [("", item) for item in value] if isinstance(value, list) else [
        (f"{json.dumps(key, ensure_ascii=False)}: ", item) for key, item in value.items()]  # fmt: skip
    body = ",\n".join(f"{inner}{key}{_lines(item, depth - 1, inner)}" for key, item in named)
    return f"{ends[0]}\n{body}\n{indent}{ends[1]}"


def origin(source: str, root: Path) -> dict[str, Any]:
    """Facts about one source, in the order in which they are shown.

    source: as in an entry; root: where its first part lies. Raises ReportError where it is gone or cannot be read.
    """
    path, _, key = source.partition("#")
    try:
        place = opened(root).joinpath(*path.split("/")[1:])
        sealed = {} if opened(root) == root else {"archive": str(root / ARCHIVE)}
        if not place.exists():
            where = f"it in {sealed['archive']}" if sealed else str(place)
            raise ReportError(f"{source}: gone: there is no {where}; put the runs back, or make the report again")
        if place.is_dir():
            return _run(source, place, sealed or {"folder": str(place)})
        named = sealed or {"file": str(place)}
        return {"source": source, **named, **({"entry": key} if key else {}), **_measured(place)}
    except UnreadableFileError as error:
        raise ReportError(str(error)) from error


def _run(source: str, folder: Path, named: dict[str, str]) -> dict[str, Any]:
    """``named``: where it lies, as it is shown: its folder, or the archive that its grid is sealed into."""
    if not any((folder / name).exists() for name in (CONFIG, RESULT, FAILURE)):
        raise ReportError(f"{source}: gone: {folder} holds no run; put it back, or make the report again")
    ((cell, *_),) = (grid.cells for grid in read_runs([folder])[:1])
    environment = load_json(folder / ENVIRONMENT) if (folder / ENVIRONMENT).exists() else {}
    said: dict[str, Any] = {"source": source, **named, "arm": cell.arm, "seed": cell.seed, "status": str(cell.status)}
    result = cell.result
    if result is None:
        said["cause"] = cell.cause
    else:
        code = {"code hash": result.code_hash} if result.code_hash else {}
        said |= {
            "test accuracy, %": round(100 * result.metrics.test.accuracy, 2),
            "run key": result.run_key, "data": result.data_key, "code revision": result.code_revision, **code,
            "device": result.device, "precision": result.precision or "not recorded",
            "started at": result.started_at or "not recorded",
        }  # fmt: skip
    config = {"config": str(folder / CONFIG)} if "folder" in named else {}
    return {**said, **config, **_machine(environment)}


def _measured(file: Path) -> dict[str, Any]:
    """Device and environment of a file of measurements; other files are named alone."""
    if file.suffix != ".json":
        return {}
    record = load_json(file)
    keys = {"device": "device", "threads": "threads", "data_key": "data", "task": "task"}
    known = {word: record[key] for key, word in keys.items() if key in record}
    return {**known, **_machine(record.get("start") or record)}


def _machine(environment: dict[str, Any]) -> dict[str, Any]:
    """The parts of environment.json that say on what it ran, of its last start where it keeps them all."""
    starts = environment.get("starts") or [environment]
    machine, packages, git = (starts[-1].get(key) or {} for key in ("machine", "packages", "git"))
    wanted = {
        "starts": len(starts) if len(starts) > 1 else None, "git revision": git.get("revision"),
        "machine": machine.get("cpu"), "cores": machine.get("usable_cores"),
        "memory, bytes": machine.get("memory_bytes"), "platform": starts[-1].get("platform"),
        "python": starts[-1].get("python"), "torch": packages.get("torch"),
    }  # fmt: skip
    return {key: value for key, value in wanted.items() if value is not None}
