"""A cell: one run in one folder. Its files are the contract between training and reports.

config.json         the resolved specification, written before anything runs
environment.json    packages, code, machine, device of the last start
log.txt, curve.jsonl, checkpoint.safetensors
output.txt          what the process printed, where a grid started it
sacred/             sacred's record of every start
model/              the best weights, where they are kept
predictions.npz     names, labels, logits of the test split
result.json         the only mark of completion; written to a temporary file, flushed, renamed
failure.json        a run that cannot go on, with its step and cause
lock                held while a process works on the cell; the system frees it when the process dies
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from swarmformer.errors import InterruptedRunError as InterruptedRunError
from swarmformer.errors import SpecError, SwarmformerError
from swarmformer.spec import RunSpec
from swarmformer.training.checkpoint import write_bytes_atomically

SCHEMA = 1


class Status(StrEnum):
    """Where a cell stands; derived from its files at every look, never stored."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    INTERRUPTED = "INTERRUPTED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    UNREADABLE = "UNREADABLE"


class CellError(SwarmformerError):
    """A cell folder that holds something else than expected."""


class CellBusyError(CellError):
    """Another process works on the cell."""


class CellFailedError(CellError):
    """The cell failed before and is not run again without being asked to."""


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write atomically: a reader never sees half a file."""
    text = json.dumps({"schema": SCHEMA, **value}, indent=1, allow_nan=False)
    write_bytes_atomically(path, (text + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a file written by ``write_json``.

    Raises:
        CellError: unreadable, not JSON, or of another schema.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CellError(f"{path}: cannot be read: {error}") from None
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        found = value.get("schema") if isinstance(value, dict) else None
        raise CellError(f"{path}: schema {found!r}, this version reads {SCHEMA}; move it away or use another folder")
    return value


def cell_name(arm: str, spec: RunSpec) -> str:
    """Folder name: readable, unique per configuration and seed, safe on every file system."""
    safe = "".join(c if c.isalnum() or c in "+-_." else "_" for c in arm)
    return f"{safe}-s{spec.seed}-{spec.run_key[:8]}"


def lock_of(folder: Path, timeout: float = 0) -> FileLock:
    """The cell's lock. Workers give it a moment: a glance of ``is_locked`` holds it too."""
    return FileLock(folder / "lock", timeout=timeout)


def status_of(folder: Path) -> tuple[Status, str]:
    """Status of a cell and, where something is wrong, why."""
    try:
        if (folder / "result.json").exists():
            read_json(folder / "result.json")
            return Status.COMPLETED, ""
        if (folder / "failure.json").exists():
            return Status.FAILED, str(read_json(folder / "failure.json").get("cause", ""))
        if not (folder / "config.json").exists():
            return Status.PENDING, ""
        load_config(folder)
    except CellError as error:
        return Status.UNREADABLE, str(error)
    return (Status.RUNNING, "") if is_locked(folder) else (Status.INTERRUPTED, "")


def is_locked(folder: Path) -> bool:
    """Whether a living process works on the cell."""
    if not (folder / "lock").exists():
        return False
    try:
        with lock_of(folder):
            return False
    except Timeout:
        return True
    except PermissionError:  # somebody else's folder, open to look at only
        return False


def prepare(folder: Path, arm: str, spec: RunSpec) -> None:
    """Make the folder and its config.json, or check that the one there is of this very run.

    What does not change a result (``train.checkpoint_seconds``) may differ; the file then says what is new.

    Raises:
        CellError: the folder belongs to another configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.json"
    if path.exists():
        _, found = load_config(folder)
        if (found.run_key, found.seed) != (spec.run_key, spec.seed):
            raise CellError(f"{folder}: holds run {found.run_key} seed {found.seed}; choose another folder")
        if found == spec:
            return
    sections = {k: v for k, v in spec.to_dict().items() if k not in ("variant", "seed")}
    identity = {"run_key": spec.run_key, "variant": spec.variant, "arm": arm, "seed": spec.seed}
    write_json(path, {**identity, "spec": sections})


def load_config(folder: Path) -> tuple[str, RunSpec]:
    """(arm, specification) of a prepared cell.

    Raises:
        CellError: damaged, or the stored key is not that of the stored specification under this version.
    """
    config = read_json(folder / "config.json")
    try:
        spec = RunSpec.from_dict({"variant": config["variant"], "seed": config["seed"], **config["spec"]})
        arm, run_key = config["arm"], config["run_key"]
    except (KeyError, TypeError, SpecError) as error:
        raise CellError(f"{folder / 'config.json'}: not a configuration of this version: {error!r}") from None
    if spec.run_key != run_key:
        raise CellError(
            f"{folder}: config.json was written by another version (key {run_key}, here {spec.run_key}); "
            "use that version or another runs folder"
        )
    return arm, spec
