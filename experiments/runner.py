"""Run one cell from data to result.json, or one trial to trial.json."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from swarmformer import hub, records
from swarmformer.environment import device_name, resolve_device
from swarmformer.hub.source import KEPT
from swarmformer.ops.attention import recording
from swarmformer.ops.memory import keep_freed_memory
from swarmformer.records import CHECKPOINT, FAILURE, LOG, PROGRESS, RESULT, TRIAL, Result, Trial
from swarmformer.spec import RunSpec
from swarmformer.training.loop import Trainer
from swarmformer.training.ranks import ALONE, Ranks
from swarmformer.training.seat import Seat
from swarmformer.variants import make_task

from .cells import WITHOUT_MODEL, CellFailedError, check_precision, grid_of, prepare
from .data import load_data, with_out_of_domain
from .faults import failure_recorded, log_to
from .follow import StepsTold
from .outcome import Outcome
from .owner import GLANCE_S, Hold, held
from .starts import begin

logger = logging.getLogger("swarmformer")
DoneT = TypeVar("DoneT", Result, Trial)


def run_cell(
    folder: Path, arm: str, spec: RunSpec, device: str, keep_weights: bool, ranks: Ranks = ALONE,
    seat: Seat | None = None,
) -> Result | None:
    """Train, test and write result.json; a cell that already has one is left alone.

    Args:
        ranks: the processes that train it together; all but the first ``assist``.
        seat: among cells of this process whose gradients are computed together.

    Returns:
        The result, or None where the cell was finished before.

    Raises:
        CellBusyError: another process works on it.
        CellFailedError: it failed before; failure.json must be set aside first (``grid retry`` does).
        Exception: whatever stopped it; written to failure.json unless it was an interruption, or came in a seat, where
            others may be at fault.
    """
    def run(hold: Hold) -> Result:
        return _run(hold, arm, spec, device, keep_weights, ranks, seat)

    result = _in_cell(folder, arm, spec, RESULT, run, beside=seat is not None)
    if result is None:
        ranks.agreed(False)
        if keep_weights and not (folder / KEPT).is_dir():
            logger.warning("%s: %s", folder, WITHOUT_MODEL)
    return result


def assist(folder: Path, spec: RunSpec, device_word: str, ranks: Ranks) -> None:
    """Train with the first process, which has the cell: nothing is written here."""
    if ranks.agreed(False):
        keep_freed_memory()
        data = with_out_of_domain(load_data(spec), spec)
        Trainer(spec, data, resolve_device(device_word), folder, ranks=ranks).run()


def run_trial(folder: Path, arm: str, spec: RunSpec, device: str, seat: Seat | None = None) -> Trial | None:
    """Train on data without a test split and write trial.json, which has the validation alone; else as ``run_cell``."""
    def run(hold: Hold) -> Trial:
        return _try(hold, arm, spec, device, seat)

    return _in_cell(folder, arm, spec, TRIAL, run, beside=seat is not None)


def _in_cell(
    folder: Path, arm: str, spec: RunSpec, mark: str, work: Callable[[Hold], DoneT], *, beside: bool
) -> DoneT | None:
    """Work in a locked and prepared cell that has neither failed nor its mark of completion."""
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder, GLANCE_S) as hold:
        if (folder / mark).exists():
            if mark == RESULT:
                check_precision(folder, spec)
            _discard_scratch(folder)
            return None
        if (folder / FAILURE).exists():
            raise CellFailedError(f"{folder}: failed before; retry=True of `swarmformer train`, or `swarmformer grid "
                                  "retry`, sets the failure aside and tries again")  # fmt: skip
        prepare(folder, arm, spec, trial=mark == TRIAL)
        with log_to(folder / LOG), failure_recorded(folder, arm, spec, beside=beside):
            return work(hold)


def _trained(
    folder: Path, arm: str, spec: RunSpec, device_word: str, *, test: bool, ranks: Ranks = ALONE,
    seat: Seat | None = None,
) -> Outcome:
    began = time.monotonic()
    device = resolve_device(device_word)
    keep_freed_memory()
    ranks.agreed(True)
    starts = begin(folder, spec, device)
    logger.info("%s seed %d, run key %s, %s", arm, spec.seed, spec.run_key, device_name(device))
    data = with_out_of_domain(load_data(spec), spec) if test else load_data(spec).without_test()
    truncated = {name: split.truncated for name, split in data.splits.items()}
    logger.info("examples %s, truncated %s", {name: len(split) for name, split in data.splits.items()}, truncated)
    with recording() as attention:
        trainer = Trainer(spec, data, device, folder, StepsTold(folder / PROGRESS), ranks, seat, grid_of(folder))
        found = trainer.run()
    return Outcome(folder, trainer, found, data, attention.rows(), starts, began)


def _try(hold: Hold, arm: str, spec: RunSpec, device: str, seat: Seat | None) -> Trial:
    folder = hold.folder
    trial = _trained(folder, arm, spec, device, test=False, seat=seat).trial(arm, spec)
    hold.check()
    records.save(folder / TRIAL, trial)
    _discard_scratch(folder)
    logger.info("validation accuracy %.4f at epoch %d", trial.validation.accuracy, trial.best_epoch)
    return trial


def _run(
    hold: Hold, arm: str, spec: RunSpec, device: str, keep_weights: bool, ranks: Ranks, seat: Seat | None
) -> Result:
    folder = hold.folder
    outcome = _trained(folder, arm, spec, device, test=True, ranks=ranks, seat=seat)
    hold.check()
    records.save_predictions(folder, outcome.answers())
    result = outcome.result(arm, spec)
    if keep_weights:
        hub.save(hub.CompleteModel.of_run(outcome.trainer.model, spec, make_task(spec.data), result), folder / KEPT)
    hold.check()
    records.save(folder / RESULT, result)
    _discard_scratch(folder)
    test = outcome.found.test
    told = "bits_per_byte" if "bits_per_byte" in test else "accuracy"
    logger.info("test %s %.4f at epoch %d", told.replace("_", " "), test[told], result.best_epoch)
    return result


def _discard_scratch(folder: Path) -> None:
    for name in (CHECKPOINT, PROGRESS):
        (folder / name).unlink(missing_ok=True)
