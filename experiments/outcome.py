"""What a run that is over leaves: its result or trial, and its answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swarmformer import records
from swarmformer.cost.epoch import epoch_flops, flops_of_text
from swarmformer.cost.parts import count_parameters
from swarmformer.data.encoded import EncodedData
from swarmformer.ops.switch import enabled
from swarmformer.records import Predictions, Result, Start, TokenLosses, Trial
from swarmformer.spec import RunSpec
from swarmformer.training.loop import Trainer
from swarmformer.training.result import TrainResult

from .cells import identity
from .starts import facts_of


@dataclass(frozen=True)
class Outcome:
    """A run that is over: its trainer, what that found, and the starts that had a part in it.

    attention: which backends computed it. began: when its last start did, by the monotonic clock.
    """

    folder: Path
    trainer: Trainer
    found: TrainResult
    data: EncodedData
    attention: list[dict[str, str]]
    starts: list[Start]
    began: float

    def trial(self, arm: str, spec: RunSpec) -> Trial:
        """The content of trial.json."""
        return Trial.model_validate({**self._facts(arm, spec), "validation": self.found.validation})

    def result(self, arm: str, spec: RunSpec) -> Result:
        """The content of result.json, once the answers lie in the folder: it has their hashes."""
        trainer, found, data = self.trainer, self.found, self.data
        unlabelled = data.unlabelled
        return Result.model_validate({
            **self._facts(arm, spec),
            "metrics": {"validation": found.validation, "test": found.test},
            "parameters": count_parameters(trainer.model),
            "flops": flops_of_text(trainer.model, spec.model.dims.seq_len),
            "epoch_flops": {split: epoch_flops(trainer.model, batches) for split, batches in trainer.batches.items()},
            "fast_paths": enabled(),
            "computing": trainer.computing,
            "attention": tuple(self.attention),
            "telemetry": found.telemetry,
            "unlabelled": unlabelled and {"texts": len(unlabelled.split), "copies": unlabelled.copies},
            "encoded_key": data.key,
            "data": data.facts,
            "test_readings": found.test_readings,
            "published_reading": found.published_reading,
            "out_of_domain": {name: {**metrics, "data_key": data.out_of_domain[name].key}
                              for name, metrics in found.out_of_domain.items()},
            "truncated": {name: split.truncated for name, split in data.splits.items()},
        })  # fmt: skip

    def answers(self) -> Predictions | TokenLosses:
        """What is kept of the answers to the test split: logits, or of predicted tokens the losses of each window."""
        test, found = self.data.splits["test"], self.found.test_logits_NK.numpy()
        if test.text_bytes is None or test.questions is None:
            return Predictions(test.answer_names, test.labels, found)
        tokens = np.diff(test.questions.offsets)
        return TokenLosses(test.names, tokens, np.bincount(test.questions.text, found.astype(np.float64), len(tokens)))

    def _facts(self, arm: str, spec: RunSpec) -> dict[str, Any]:
        """What result.json and trial.json both say."""
        found = self.found
        return {
            **identity(arm, spec),
            "task": spec.data.called,
            "best_epoch": found.best_epoch,
            "epochs": found.epochs,
            "steps": found.steps,
            "stopped": found.stopped,
            "precision": self.trainer.precision,
            "data_key": self.data.source_key,
            **facts_of(self.starts),
            "seconds": {"train": found.seconds, "total": self.trainer.passed_before + time.monotonic() - self.began},
            "files": records.hashes_of(self.folder, (records.CURVE, records.PREDICTIONS, records.LOSSES)),
        }
