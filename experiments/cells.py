"""A cell: one run in one folder. Its files are the contract between training and reports.

config.json         the resolved specification, written before anything runs
environment.json    packages, code, machine, device of every start
log.txt, curve.jsonl, checkpoint.safetensors
progress.json       how far the steps are, for whoever watches; gone when the cell is finished
output.txt          what the process printed, where a grid started it
sacred/             sacred's record of every start
model/              the best weights, where they are kept
predictions.npz     names, labels, logits of the test split
result.json         the only mark of completion; written to a temporary file, flushed, renamed
trial.json          the same of a trial, which tunes: judged by validation, without test, predictions and weights
failure.json        a run that cannot go on, with its step and cause
lock, owner.json    held while a process works on the cell; the system frees the lock when the process dies
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from swarmformer import records
from swarmformer.errors import SpecError, SwarmformerError
from swarmformer.records import CONFIG, FAILURE, PLAN, RESULT, TRIALS, UnreadableFileError
from swarmformer.spec import RunSpec

from .status import Status, glance

LONGEST = 100
"""Bytes of an arm's name that a folder's name keeps; no usual file system takes more than 255 for all of it."""

WITHOUT_MODEL = "finished before without keeping its model; to train it again, move its result.json away"
"""Of a cell whose model is asked for too late: nothing that it left could make it."""


class CellError(SwarmformerError):
    """A cell folder that holds something else than expected."""


class CellFailedError(CellError):
    """The cell failed before and is not run again without being asked to."""


class Identity(TypedDict):
    run_key: str
    variant: str
    arm: str
    seed: int


def cell_name(arm: str, spec: RunSpec, run_key: str = "") -> str:
    """Folder name: readable, unique per configuration and seed, safe on every file system.

    Args:
        run_key: its own where it is known, or that of an older version, for the name that it gave.
    """
    return f"{stem_of(arm, spec.seed)}-{(run_key or spec.run_key)[:8]}"


def stem_of(arm: str, seed: int) -> str:
    """What a folder's name begins with, whatever the configuration."""
    safe = "".join(c if c.isalnum() or c in "+-_." else "_" for c in arm)
    return f"{safe.encode()[:LONGEST].decode(errors='ignore')}-s{seed}"


def cell_folder(grid: Path, arm: str, spec: RunSpec, run_key: str = "") -> Path:
    """A cell's folder: under the name of today, or under the one that an older version gave it where that is there.

    Args:
        run_key: of the specification, where it is known: to make one takes a millisecond.
    """
    key = run_key or spec.run_key
    today = grid / cell_name(arm, spec, key)
    former = [grid / cell_name(arm, spec, old) for old in records.former_keys(key)]
    return today if today.exists() else next((folder for folder in former if folder.exists()), today)


def grid_of(folder: Path) -> Path | None:
    """Folder of the grid that a cell or a trial is of; None of a run by itself."""
    above = folder.parent
    grids = (above, above.parent) if above.name == TRIALS else (above,)  # a grid may be called so too
    return next((grid for grid in grids if (grid / PLAN).exists()), None)


def status_of(folder: Path, look: Callable[[Path], tuple[Status, str]] = glance) -> tuple[Status, str]:
    """As ``glance`` tells it, or an index; a cell that could go on only where its configuration is of this version."""
    status, cause = look(folder)
    if status in (Status.RUNNING, Status.INTERRUPTED):
        try:
            load_config(folder)
        except (CellError, UnreadableFileError) as error:
            return Status.UNREADABLE, str(error)
    return status, cause


def prepare(folder: Path, arm: str, spec: RunSpec, *, trial: bool = False) -> None:
    """Make the folder and its config.json, or check that the one there is of this very run.

    What does not change a result (``train.checkpoint_seconds``) may differ; the file then says what is new. A trial
    only tunes.

    Raises:
        CellError: the folder belongs to another configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CONFIG
    if path.exists():
        _, there = load_config(folder)
        if (there.run_key, there.seed) != (spec.run_key, spec.seed):
            raise CellError(f"{folder}: holds run {there.run_key} seed {there.seed}; choose another folder")
        if is_trial(folder) != trial:
            raise CellError(f"{folder}: a trial, which only tunes, is no run that counts; choose another folder")
        if there == spec:
            return
    sections = records.Spec.model_validate({k: v for k, v in spec.to_dict().items() if k not in ("variant", "seed")})
    records.save(path, records.Config(**identity(arm, spec), spec=sections, trial=trial))


def is_trial(folder: Path) -> bool:
    """Whether a prepared cell only tunes."""
    return records.load(folder / CONFIG, records.Config).trial


def check_precision(folder: Path, spec: RunSpec) -> None:
    """That a finished cell was computed in what the stages of this run fix; ``auto`` takes either.

    Raises:
        CellError: it was computed in the other, on a machine where that was faster.
    """
    asked = list(dict.fromkeys(spec.train.of_stage(stage).precision for stage in spec.train.stages))
    ran = records.load(folder / RESULT, records.Result).precision
    fixed, found = {*asked} - {"auto"}, {*ran.split("+")}
    if ran and not (fixed <= found if "auto" in asked else fixed == found):
        words = "+".join(asked)
        raise CellError(f"{folder}: was computed in {ran}, but train.precision is {words}; choose another folder")


def identity(arm: str, spec: RunSpec) -> Identity:
    """What every file of a cell says of it."""
    return {"run_key": spec.run_key, "variant": spec.variant, "arm": arm, "seed": spec.seed}


def save_failure(
    folder: Path, cell: Identity, cause: str, *, step: int | None, traceback: str, resumable: bool
) -> None:
    """Write failure.json; what it says is that of ``records.Failure``."""
    failure = records.Failure(**cell, cause=cause, step=step, traceback=traceback, resumable=resumable)
    records.save(folder / FAILURE, failure)


def load_config(folder: Path) -> tuple[str, RunSpec]:
    """(arm, specification) of a prepared cell.

    Raises:
        CellError: not a configuration of this version, or the stored key is not that of the stored specification.
        UnreadableFileError: damaged.
    """
    config = records.load(folder / CONFIG, records.Config)
    sections = config.spec.model_dump(mode="json")
    try:
        spec = RunSpec.from_dict({"variant": config.variant, "seed": config.seed, **sections})
    except SpecError as error:
        raise CellError(f"{folder / CONFIG}: not a configuration of this version: {error}") from None
    if spec.run_key != config.run_key:
        raise CellError(
            f"{folder}: config.json was written by another version (key {config.run_key}, here {spec.run_key}); "
            "use that version or another runs folder"
        )
    return config.arm, spec
