"""Run one cell from data to result.json, or one trial to trial.json."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from swarmformer import hub, records
from swarmformer.code import code_of, start
from swarmformer.cost.epoch import epoch_flops, flops_of_text
from swarmformer.cost.parts import count_parameters
from swarmformer.data.encoded import EncodedData, Split
from swarmformer.environment import device_name, resolve_device
from swarmformer.hub.source import KEPT
from swarmformer.ops.attention import recording
from swarmformer.ops.memory import keep_freed_memory
from swarmformer.ops.switch import enabled
from swarmformer.records import (
    CHECKPOINT,
    ENVIRONMENT,
    FAILURE,
    LOG,
    PROGRESS,
    RESULT,
    TRIAL,
    Environment,
    Predictions,
    Result,
    Start,
    Supplier,
    TokenLosses,
    Trial,
)
from swarmformer.spec import RunSpec
from swarmformer.training.loop import Trainer
from swarmformer.training.ranks import ALONE, Ranks
from swarmformer.training.result import TrainResult
from swarmformer.training.seat import Seat
from swarmformer.variants import make_task

from .cells import WITHOUT_MODEL, CellFailedError, check_precision, identity, prepare
from .data import load_data, with_out_of_domain
from .faults import failure_recorded, log_to
from .follow import StepsTold
from .owner import GLANCE_S, Hold, held

logger = logging.getLogger("swarmformer")
DoneT = TypeVar("DoneT", Result, Trial)
RESULT_SOURCES = (Path(__file__), Path(__file__).with_name("data.py"))
"""What of the experiments can change a result."""


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


@dataclass(frozen=True)
class _Trained:
    """A run that is over: its trainer, what it left, and the starts that had a part in it."""

    folder: Path
    trainer: Trainer
    outcome: TrainResult
    data: EncodedData
    attention: list[dict[str, str]]
    device: torch.device
    starts: list[Start]
    began: float

    def facts(self, arm: str, spec: RunSpec) -> dict[str, Any]:
        """What result.json and trial.json both say."""
        outcome, starts = self.outcome, self.starts
        return {
            **identity(arm, spec),
            "task": spec.data.called,
            "best_epoch": outcome.best_epoch,
            "epochs": outcome.epochs,
            "steps": outcome.steps,
            "stopped": outcome.stopped,
            "precision": self.trainer.precision,
            "data_key": self.data.source_key,
            "code_revision": _joined([start.code_revision for start in starts]),
            "code_hash": _joined([start.code for start in starts]),
            "suppliers": _suppliers(starts),
            "device": _joined([str(start.device["name"]) for start in starts]),
            "started_at": starts[0].started_at,
            "seconds": {"train": outcome.seconds, "total": self.trainer.passed_before + time.monotonic() - self.began},
            "files": records.hashes_of(self.folder, (records.CURVE, records.PREDICTIONS, records.LOSSES)),
        }


def _trained(
    folder: Path, arm: str, spec: RunSpec, device_word: str, *, test: bool, ranks: Ranks = ALONE,
    seat: Seat | None = None,
) -> _Trained:
    began = time.monotonic()
    device = resolve_device(device_word)
    keep_freed_memory()
    ranks.agreed(True)
    starts = _begin(folder, spec, device)
    logger.info("%s seed %d, run key %s, %s", arm, spec.seed, spec.run_key, device_name(device))
    data = with_out_of_domain(load_data(spec), spec) if test else load_data(spec).without_test()
    truncated = {name: split.truncated for name, split in data.splits.items()}
    logger.info("examples %s, truncated %s", {name: len(split) for name, split in data.splits.items()}, truncated)
    with recording() as attention:
        trainer = Trainer(spec, data, device, folder, StepsTold(folder / PROGRESS), ranks, seat)
        outcome = trainer.run()
    return _Trained(folder, trainer, outcome, data, attention.rows(), device, starts, began)


def _try(hold: Hold, arm: str, spec: RunSpec, device: str, seat: Seat | None) -> Trial:
    folder = hold.folder
    trained = _trained(folder, arm, spec, device, test=False, seat=seat)
    trial = Trial.model_validate({**trained.facts(arm, spec), "validation": trained.outcome.validation})
    hold.check()
    records.save(folder / TRIAL, trial)
    _discard_scratch(folder)
    logger.info("validation accuracy %.4f at epoch %d", trial.validation.accuracy, trial.best_epoch)
    return trial


def _run(
    hold: Hold, arm: str, spec: RunSpec, device: str, keep_weights: bool, ranks: Ranks, seat: Seat | None
) -> Result:
    folder = hold.folder
    trained = _trained(folder, arm, spec, device, test=True, ranks=ranks, seat=seat)
    trainer, outcome, splits = trained.trainer, trained.outcome, trained.data.splits
    test, unlabelled = splits["test"], trained.data.unlabelled
    hold.check()
    records.save_predictions(folder, _answers(test, outcome.test_logits_NK.numpy()))
    result = Result.model_validate({
        **trained.facts(arm, spec),
        "metrics": {"validation": outcome.validation, "test": outcome.test},
        "parameters": count_parameters(trainer.model),
        "flops": flops_of_text(trainer.model, spec.model.dims.seq_len),
        "epoch_flops": {split: epoch_flops(trainer.model, batches) for split, batches in trainer.batches.items()},
        "fast_paths": enabled(),
        "computing": trainer.computing,
        "attention": tuple(trained.attention),
        "telemetry": outcome.telemetry,
        "unlabelled": unlabelled and {"texts": len(unlabelled.split), "copies": unlabelled.copies},
        "encoded_key": trained.data.key,
        "data": trained.data.facts,
        "test_readings": outcome.test_readings,
        "published_reading": outcome.published_reading,
        "out_of_domain": {name: {**metrics, "data_key": trained.data.out_of_domain[name].key}
                          for name, metrics in outcome.out_of_domain.items()},
        "truncated": {name: split.truncated for name, split in splits.items()},
    })  # fmt: skip
    if keep_weights:
        hub.save(hub.CompleteModel.of_run(trainer.model, spec, make_task(spec.data), result), folder / KEPT)
    hold.check()
    records.save(folder / RESULT, result)
    _discard_scratch(folder)
    told = "bits_per_byte" if "bits_per_byte" in outcome.test else "accuracy"
    logger.info("test %s %.4f at epoch %d", told.replace("_", " "), outcome.test[told], outcome.best_epoch)
    return result


def _answers(test: Split, found: np.ndarray) -> Predictions | TokenLosses:
    """What is kept of the answers to a test split: logits, or of predicted tokens the losses of each window."""
    if test.text_bytes is None or test.questions is None:
        return Predictions(test.answer_names, test.labels, found)
    tokens = np.diff(test.questions.offsets)
    return TokenLosses(test.names, tokens, np.bincount(test.questions.text, found.astype(np.float64), len(tokens)))


def _begin(folder: Path, spec: RunSpec, device: torch.device) -> list[Start]:
    """Add a start to environment.json; returns the starts that have a part in the result: since the last from nothing.

    Raises:
        UnreadableFileError: an environment.json that cannot be read; it is left alone.
    """
    path, continued = folder / ENVIRONMENT, (folder / CHECKPOINT).exists()
    before = records.load(path, Environment).starts if path.exists() else ()
    code = code_of(spec, RESULT_SOURCES)
    starts = (*before, start(device, code, continued=continued))
    records.save(path, Environment(starts=starts))
    own = list(starts[max(number for number, start in enumerate(starts) if number == 0 or not start.continued) :])
    if len({start.is_like for start in own}) > 1:
        logger.warning("continuing a run of code %s with %s", own[-2].code_revision, code.revision)
    return own


def _joined(names: list[str]) -> str:
    """``old+new`` where a run was continued with other code or on another device, so that reports keep it apart."""
    return "+".join(dict.fromkeys(names))


def _suppliers(starts: list[Start]) -> tuple[Supplier, ...]:
    """Those of the last start; their hashes are joined as the code is."""
    every = [supplier for start in starts for supplier in start.suppliers]
    return tuple(
        supplier.model_copy(update={"hash": _joined([one.hash for one in every if one.module == supplier.module])})
        for supplier in starts[-1].suppliers
    )


def _discard_scratch(folder: Path) -> None:
    for name in (CHECKPOINT, PROGRESS):
        (folder / name).unlink(missing_ok=True)


def use_threads(threads: int) -> None:
    """Limit torch to ``threads`` (0: leave its default)."""
    if threads:
        torch.set_num_threads(threads)
