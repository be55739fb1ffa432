"""What a source says of itself: a run its arm, seed, configuration, code and machine; a file its device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swarmformer.records import CONFIG, ENVIRONMENT, FAILURE, RESULT, UnreadableFileError, load_json

from .errors import ReportError
from .study.read import read_runs


def origin(source: str, root: Path) -> dict[str, Any]:
    """Facts about one source, in the order in which they are shown.

    source: as in an entry; root: where its first part lies. Raises ReportError where it is gone or cannot be read.
    """
    path, _, key = source.partition("#")
    place = root.joinpath(*path.split("/")[1:])
    if not place.exists():
        raise ReportError(f"{source}: gone: there is no {place}; put the runs back, or make the report again")
    try:
        if place.is_dir():
            return _run(source, place)
        return {"source": source, "file": str(place), **({"entry": key} if key else {}), **_measured(place)}
    except UnreadableFileError as error:
        raise ReportError(str(error)) from error


def _run(source: str, folder: Path) -> dict[str, Any]:
    if not any((folder / name).exists() for name in (CONFIG, RESULT, FAILURE)):
        raise ReportError(f"{source}: gone: {folder} holds no run; put it back, or make the report again")
    ((cell, *_),) = (grid.cells for grid in read_runs([folder])[:1])
    environment = load_json(folder / ENVIRONMENT) if (folder / ENVIRONMENT).exists() else {}
    said = {"source": source, "folder": str(folder), "arm": cell.arm, "seed": cell.seed, "status": str(cell.status)}
    result = cell.result
    if result is None:
        said["cause"] = cell.cause
    else:
        code = {"code hash": result.code_hash} if result.code_hash else {}
        said |= {
            "run key": result.run_key, "data": result.data_key, "code revision": result.code_revision, **code,
            "device": result.device, "started at": result.started_at or "not recorded",
        }  # fmt: skip
    return {**said, "config": str(folder / CONFIG), **_machine(environment)}


def _measured(file: Path) -> dict[str, Any]:
    """Device and environment of a file of measurements; other files are named alone."""
    if file.suffix != ".json":
        return {}
    record, beside = load_json(file), file.parent / ENVIRONMENT
    keys = {"device": "device", "threads": "threads", "data_key": "data", "task": "task"}
    known = {word: record[key] for key, word in keys.items() if key in record}
    return {**known, **_machine(load_json(beside) if beside.exists() else record)}


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
