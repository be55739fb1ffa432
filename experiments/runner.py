"""Run one cell from data to result.json."""

from __future__ import annotations

import io
import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import Timeout

from swarmformer import hub
from swarmformer.cost import count_parameters, epoch_flops, flops_of_text
from swarmformer.data.encoded import EncodedData, load_encoded
from swarmformer.environment import code_revision, describe, device_name, resolve_device
from swarmformer.errors import DataError, TrainingDivergedError
from swarmformer.ops.attention import recording
from swarmformer.ops.memory import keep_freed_memory
from swarmformer.ops.switch import enabled
from swarmformer.spec import RunSpec
from swarmformer.training.checkpoint import write_bytes_atomically
from swarmformer.training.loop import Trainer, TrainResult
from swarmformer.variants import make_task

from .cells import (
    CellBusyError,
    CellFailedError,
    InterruptedRunError,
    lock_of,
    prepare,
    read_json,
    write_json,
)
from .progress import step_display

logger = logging.getLogger("swarmformer")
LOCK_PATIENCE_S = 2.0


def run_cell(folder: Path, arm: str, spec: RunSpec, device: str, keep_weights: bool) -> dict[str, Any] | None:
    """Train, test and write result.json; a cell that already has one is left alone.

    Returns:
        The result, or None where the cell was finished before.

    Raises:
        CellBusyError: another process works on it.
        CellFailedError: it failed before; failure.json must be set aside first (``grid retry`` does).
        Exception: whatever stopped it; written to failure.json unless it was an interruption.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with lock_of(folder, LOCK_PATIENCE_S):
            if (folder / "result.json").exists():
                _discard_checkpoint(folder)
                return None
            if (folder / "failure.json").exists():
                raise CellFailedError(f"{folder}: failed before; move its failure.json and checkpoint away to try anew")
            prepare(folder, arm, spec)
            with _log_file(folder / "log.txt"), _failure_recorded(folder, arm, spec):
                return _run(folder, arm, spec, device, keep_weights)
    except Timeout:
        raise CellBusyError(f"{folder}: another process works on this cell") from None


def _run(folder: Path, arm: str, spec: RunSpec, device_word: str, keep_weights: bool) -> dict[str, Any]:
    started = time.monotonic()
    device = resolve_device(device_word)
    keep_freed_memory()
    revision = _revision_of_all_starts(folder)
    begun = _first_start(folder)
    write_json(folder / "environment.json", {"code_revision": revision, "started_at": begun, **describe(device)})
    logger.info("%s seed %d, run key %s, %s", arm, spec.seed, spec.run_key, device_name(device))
    data = load_data(spec)
    truncated = {name: split.truncated for name, split in data.splits.items()}
    logger.info("examples %s, truncated %s", {name: len(split) for name, split in data.splits.items()}, truncated)
    with step_display(f"{arm} seed {spec.seed}") as on_step, recording() as attention:
        trainer = Trainer(spec, data, device, folder, on_step)
        outcome = trainer.run()
    _save_predictions(folder / "predictions.npz", data, outcome)
    if keep_weights:
        hub.save_model(trainer.model, folder / "model")
    length = spec.model.dims.seq_len
    result = {
        "status": "COMPLETED",
        **_identity(arm, spec),
        "task": spec.data.task.name,
        "metrics": {"validation": outcome.validation, "test": outcome.test},
        "best_epoch": outcome.best_epoch,
        "epochs": outcome.epochs,
        "steps": outcome.steps,
        "parameters": count_parameters(trainer.model),
        "flops": flops_of_text(trainer.model, length),
        "epoch_flops": {split: epoch_flops(trainer.model, batches) for split, batches in trainer.batches.items()},
        "fast_paths": enabled(),
        "attention": attention.rows(),
        "data_key": data.key,
        "truncated": truncated,
        "code_revision": revision,
        "device": device_name(device),
        "started_at": begun,
        "seconds": {"train": outcome.seconds, "total": time.monotonic() - started},
    }
    write_json(folder / "result.json", result)
    _discard_checkpoint(folder)
    logger.info("test accuracy %.4f at epoch %d", outcome.test["accuracy"], outcome.best_epoch)
    return result


def _discard_checkpoint(folder: Path) -> None:
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)


def _revision_of_all_starts(folder: Path) -> str:
    """The code's revision; "old+new" where a checkpoint of other code is continued, so that reports keep it apart."""
    revision = code_revision()
    if not (folder / "checkpoint.safetensors").exists() or not (folder / "environment.json").exists():
        return revision
    before = str(read_json(folder / "environment.json").get("code_revision", "unknown"))
    if revision in before.split("+"):
        return before
    logger.warning("continuing a run of code revision %s with %s", before, revision)
    return f"{before}+{revision}"


def _first_start(folder: Path) -> str:
    """When the run began (UTC): now, or at its first start where a checkpoint is continued."""
    if (folder / "checkpoint.safetensors").exists() and (folder / "environment.json").exists():
        before = read_json(folder / "environment.json").get("started_at")
        if before is not None:
            return str(before)
    return datetime.now(UTC).isoformat(timespec="seconds")


def load_data(spec: RunSpec) -> EncodedData:
    """The encoded task of a run, from the cache where it is there.

    Raises:
        DataError: missing or malformed data, or other data than the run was planned for.
    """
    data = load_encoded(
        make_task(spec.data),
        tokenizer=spec.data.tokenizer,
        seq_len=spec.model.dims.seq_len,
        validation_fraction=spec.data.validation_fraction,
        split_seed=spec.data.split_seed,
    )
    for size in ("num_classes", "vocab_size"):
        planned, found = getattr(spec.model.dims, size), getattr(data, size)
        if planned != found:
            raise DataError(
                f"{size} of task {spec.data.task.name!r} is {found}, but the run was planned with {planned}: the data "
                "changed in between; plan it anew"
            )
    return data


def _identity(arm: str, spec: RunSpec) -> dict[str, Any]:
    return {"run_key": spec.run_key, "variant": spec.variant, "arm": arm, "seed": spec.seed}


def _save_predictions(path: Path, data: EncodedData, outcome: TrainResult) -> None:
    """Plain arrays: names of what was asked, labels, logits [n, K] of the test split, for paired tests."""
    test, buffer = data.splits["test"], io.BytesIO()
    np.savez_compressed(buffer, names=test.answer_names, labels=test.labels, logits=outcome.test_logits_NK.numpy())
    write_bytes_atomically(path, buffer.getvalue())


@contextmanager
def _failure_recorded(folder: Path, arm: str, spec: RunSpec) -> Iterator[None]:
    """Write failure.json for errors; an interruption leaves the cell to be continued."""
    try:
        yield
    except InterruptedRunError:
        logger.info("interrupted; the same command goes on from the last checkpoint")
        raise
    except Exception as error:
        step = error.step if isinstance(error, TrainingDivergedError) else None
        cause = f"{type(error).__name__}: {error}"
        logger.error("FAILED: %s", cause)
        failure = {"status": "FAILED", **_identity(arm, spec), "cause": cause, "step": step}
        write_json(folder / "failure.json", {**failure, "traceback": traceback.format_exc()})
        raise


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def use_threads(threads: int) -> None:
    """Limit torch to ``threads`` (0: leave its default)."""
    if threads:
        torch.set_num_threads(threads)
