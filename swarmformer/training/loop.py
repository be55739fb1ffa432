"""The training loop.

Train for whole epochs, validate after each, keep the best weights by validation accuracy, read the
test split once at the end. A run that is stopped goes on from its checkpoint; on the CPU it ends with
the same weights as one that was never stopped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from swarmformer.assembly import assemble, check_answers
from swarmformer.contracts import ModelOutput
from swarmformer.data.batching import Batch, Batches
from swarmformer.data.encoded import EncodedData
from swarmformer.data.resident import ResidentBatches
from swarmformer.spec import RunSpec
from swarmformer.training import checkpoint as ckpt
from swarmformer.training.evaluate import evaluate
from swarmformer.training.journal import Journal, check_finite
from swarmformer.training.metrics import Metrics
from swarmformer.training.optimiser import build_optimiser, learning_rate
from swarmformer.training.step import Record, optimiser_step

logger = logging.getLogger("swarmformer.training")
LOG_STEPS = 20
RECOMPILE_LIMIT = 64
OnStep = Callable[[int, int, str], None]
"""Called after every optimiser step with (steps done, steps in all, a few words)."""


@dataclass(frozen=True)
class TrainResult:
    """What a finished run leaves: metrics at the best epoch, and test logits, one row per label, in split order.

    ``best_epoch`` counts from 1; ``seconds`` are those of training alone, without validation.
    """

    validation: Metrics
    test: Metrics
    test_logits_NK: Tensor
    best_epoch: int
    epochs: int
    steps: int
    seconds: float


class Trainer:
    """One run, seeded by its specification. ``model`` ends with the best weights.

    Args:
        folder: where checkpoint and curve are written; None keeps nothing.
        on_step: for progress bars and interruption; may raise.
    """

    def __init__(
        self,
        spec: RunSpec,
        data: EncodedData,
        device: torch.device,
        folder: Path | None = None,
        on_step: OnStep = lambda done, total, words: None,
    ) -> None:
        self.spec, self.train, self.device, self.on_step = spec, spec.train, device, on_step
        self.identity = ckpt.RunIdentity(spec.run_key, spec.seed, data.key)
        torch.manual_seed(spec.seed)
        self.model = assemble(spec.model).to(device)
        check_answers(self.model, spec, per_token=data.splits["test"].questions is not None)
        self.batches = {name: self._batches(data, name) for name in data.splits}
        self.optimiser = build_optimiser(self.model, self.train, device)
        decay = self.train.ema_decay
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None
        self.forward = self._compiled() if self.train.compile else self.model.detailed
        self.checkpoint = folder / "checkpoint.safetensors" if folder else None
        self.journal = Journal(folder / "curve.jsonl" if folder else None)
        self.progress = ckpt.Progress()
        self.best: dict[str, Tensor] = {}
        self.total_steps = self._total_steps()

    def run(self) -> TrainResult:
        """Train, or go on training, to the end."""
        torch.manual_seed(self.spec.seed)
        if self.checkpoint is not None and self.checkpoint.exists():
            self._resume(self.checkpoint)
        self.journal.rewind(self.progress.step, self.progress.epoch)
        while self.progress.step < self.total_steps:
            self._epoch()
            self._validate()
        self.model.load_state_dict(self.best)
        test, logits_NK = self._evaluate(self.model, "test")
        done = self.progress
        return TrainResult(done.best, test, logits_NK, done.best_epoch, done.epoch, done.step, done.seconds)

    def _epoch(self) -> None:
        """Train to the end of the epoch (or of the budget), from wherever the progress stands."""
        done = self.progress
        records: list[Record] = []
        last_save = started = time.monotonic()
        self.model.train()
        for batch in self.batches["train"](done.epoch, start=done.batch):
            records.append(self._step(batch))
            done.batch, done.step = done.batch + 1, done.step + 1
            if len(records) == LOG_STEPS:
                self._log(records)
            self.on_step(done.step, self.total_steps, f"epoch {done.epoch + 1}/{self.train.epochs}")
            if done.step == self.total_steps:
                break
            if time.monotonic() - last_save >= self.train.checkpoint_seconds:
                self._log(records)
                done.seconds, started = done.seconds + time.monotonic() - started, time.monotonic()
                self._save()
                last_save = time.monotonic()
        self._log(records)
        done.seconds += time.monotonic() - started

    def _step(self, batch: Batch) -> Record:
        """One optimiser step; what is worth writing down stays on the device."""
        self.model.set_progress(self.progress.step / self.total_steps)
        rate = learning_rate(self.progress.step, self.total_steps, self.train)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        record = optimiser_step(self.model, self.forward, self.optimiser, batch.to(self.device), self.train)
        if self.average is not None:
            self.average.update_parameters(self.model)
        return record

    def _log(self, records: list[Record]) -> None:
        """Fetch what was gathered since the last call, check it, write it down, and forget it."""
        if not records:
            return
        names = list(records[0])
        rows = torch.stack([torch.stack([record[name].float() for name in names]) for record in records]).tolist()
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        step = self.progress.step
        check_finite(step - len(rows) + 1, columns["loss"], columns["norm"])
        rate = learning_rate(step - 1, self.total_steps, self.train)
        means = {name: sum(values) / len(values) for name, values in columns.items()}
        self.journal.append("train", step=step, **{**means, "norm": max(columns["norm"])}, lr=rate)
        records.clear()

    def _validate(self) -> None:
        done = self.progress
        judged = self.average.module if self.average is not None else self.model
        metrics, _ = self._evaluate(judged, "validation")
        done.epoch, done.batch = done.epoch + 1, 0
        done.validations.append(metrics)
        if not done.best or metrics["accuracy"] > done.best["accuracy"]:
            done.best, done.best_epoch = metrics, done.epoch
            self.best = {name: tensor.detach().clone() for name, tensor in judged.state_dict().items()}
        self.journal.append("validation", step=done.step, epoch=done.epoch, **metrics)
        logger.info(
            "epoch %d/%d step %d: validation accuracy %.4f loss %.4f (best %.4f at epoch %d), %.0f s",
            done.epoch, self.train.epochs, done.step, metrics["accuracy"], metrics["loss"],
            done.best["accuracy"], done.best_epoch, done.seconds,
        )  # fmt: skip
        self._save()

    def _evaluate(self, model: torch.nn.Module, split: str) -> tuple[Metrics, Tensor]:
        return evaluate(model, self.batches[split], self.device, self.train.precision)

    def _save(self) -> None:
        if self.checkpoint is None:
            return
        tensors = {
            **ckpt.prefixed("model", self.model.state_dict()),
            **ckpt.prefixed("best", self.best),
            **ckpt.prefixed("optimiser", ckpt.optimiser_tensors(self.optimiser)),
            **ckpt.prefixed("rng", ckpt.rng_tensors(self.device)),
            **(ckpt.prefixed("average", self.average.state_dict()) if self.average is not None else {}),
        }
        ckpt.save_checkpoint(self.checkpoint, self.identity, tensors, self.progress)

    def _resume(self, path: Path) -> None:
        tensors, self.progress = ckpt.load_checkpoint(path, self.identity)
        self.model.load_state_dict(ckpt.without_prefix("model", tensors))
        if self.average is not None:
            self.average.load_state_dict(ckpt.without_prefix("average", tensors))
        ckpt.restore_optimiser(self.optimiser, ckpt.without_prefix("optimiser", tensors))
        ckpt.restore_rng(ckpt.without_prefix("rng", tensors), self.device)
        self.best = {name: t.to(self.device) for name, t in ckpt.without_prefix("best", tensors).items()}
        logger.info("resumed at step %d of %d", self.progress.step, self.total_steps)

    def _total_steps(self) -> int:
        whole = self.train.epochs * len(self.batches["train"])
        return min(whole, self.train.max_steps) if self.train.max_steps else whole

    def _batches(self, data: EncodedData, split: str) -> Batches:
        training = split == "train"
        options: dict[str, Any] = {
            "batch_size": self.train.batch_size if training else self.train.eval_batch_size,
            "lengths": self.spec.padded_lengths,
            "pad_id": data.pad_id,
            "seed": self.spec.seed if training else None,
        }
        if self.device.type == "cpu":
            return Batches(data.splits[split], **options)
        return ResidentBatches(data.splits[split], device=self.device, **options)

    def _compiled(self) -> Callable[..., ModelOutput]:
        # One graph per padded length and batch size; a recompilation limit would fall back in silence.
        torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT
        torch._dynamo.config.fail_on_recompile_limit_hit = True
        return torch.compile(self.model.detailed, dynamic=False)
