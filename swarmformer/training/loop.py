"""The training loop.

Stage by stage: train for whole epochs, validate after each, keep the best weights, start the next stage from
them. At the end read the test split once, where there is one. A run that is stopped goes on from its checkpoint; on
the CPU it ends with the same weights as one that was never stopped.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from swarmformer.data.batching import Batch
from swarmformer.data.encoded import EncodedData
from swarmformer.errors import SpecError
from swarmformer.records import Computing
from swarmformer.seeding import seed_all
from swarmformer.spec import RunSpec
from swarmformer.training import checkpoint as ckpt
from swarmformer.training.divergence import check_after, check_steps
from swarmformer.training.fast import products_in_tf32
from swarmformer.training.journal import Journal, StepRecord, gathered, in_a_row
from swarmformer.training.learner import Learner
from swarmformer.training.precisions import chosen_precisions, in_precisions
from swarmformer.training.ranks import ALONE, Ranks
from swarmformer.training.result import TrainResult, readings
from swarmformer.training.seat import Seat
from swarmformer.training.setup import set_up
from swarmformer.training.splits import SplitJudge, SplitReader
from swarmformer.training.step import TrainingStep
from swarmformer.training.telemetry import telemetry

logger = logging.getLogger("swarmformer.training")
LOG_STEPS = 20
OnStep = Callable[[int, int, str], None]
"""Called after every optimiser step with (steps done, steps in all, a few words)."""


class Trainer:
    """One run, seeded by its specification. ``model`` ends with the best weights of the last stage; ``passed_before``
    are the seconds of the starts that it goes on from.

    Args:
        data: without a test split (``EncodedData.without_test``) the run ends with validation.
        folder: where checkpoint and curve are written; None keeps nothing.
        on_step: for progress bars and interruption; may raise.
        ranks: the processes that train together, each with a trainer of its own; all see ``folder``, the first writes.
        seat: among runs of this process whose gradients are computed together.
        grid: folder of the grid that the run is of, whose runs all compute in one precision where it is ``auto``.
    """

    def __init__(
        self,
        spec: RunSpec,
        data: EncodedData,
        device: torch.device,
        folder: Path | None = None,
        on_step: OnStep = lambda done, total, words: None,
        ranks: Ranks = ALONE,
        seat: Seat | None = None,
        grid: Path | None = None,
    ) -> None:
        self.spec, self.device, self.on_step, self.ranks, self.seat = spec, device, on_step, ranks, seat
        self.began, self.passed_before = time.monotonic(), 0.0
        keys = (data.key, *([data.unlabelled.key] if data.unlabelled else []))
        self.identity = ckpt.CheckpointIdentity(spec.run_key, spec.seed, "+".join(keys))
        seed_all(spec.seed)
        made = set_up(spec, data, device, ranks)
        self.model, self.stages, self.batches, self.elsewhere = made.model, made.stages, made.batches, made.elsewhere
        self.checkpoint = folder / "checkpoint.safetensors" if folder else None
        self.journal = Journal(folder / "curve.jsonl" if folder and ranks.first else None)
        self.progress = ckpt.TrainingState()
        if not self._goes_on():
            self._compute_in(chosen_precisions(spec, self.model, self.stages, device, ranks, grid))
        self._prepare()

    def _goes_on(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return self.checkpoint is not None and ckpt.seen_by_all(self.checkpoint, self.ranks)

    @property
    def step(self) -> TrainingStep:
        """The optimiser step of the stage that is trained."""
        return self.learner.step

    @property
    def precision(self) -> str:
        """What is computed in, ``fp32`` or ``bf16``; ``bf16+fp32`` where stages differ."""
        return "+".join(dict.fromkeys(self.progress.precisions))

    @property
    def computing(self) -> Computing:
        """How it was computed, as results have it."""
        done, reduced = self.progress, bool(self.progress.micro_batch)
        return Computing(
            processes=tuple(done.processes), micro_batch=self.step.micro_batch, reduced=reduced,
            compiled=self.step.compiled is not None, compile_fault=self.step.compile_fault,
            captured=self.step.captured, capture_fault=self.step.capture_fault,
            tf32=self.device.type == "cuda" and self.now.train.tf32,
            together=self.seat.most if self.seat else 1, together_fault=self.seat.fault if self.seat else "",
        )  # fmt: skip

    @property
    def total_steps(self) -> int:
        """As planned, had no stage been stopped."""
        return self.stages[-1].end

    @property
    def place(self) -> int:
        """Where the run stands among its planned steps: those that patience spared count as done."""
        return self.progress.step + self.progress.skipped

    def run(self) -> TrainResult:
        """Train, or go on training, to the end."""
        seed_all(self.spec.seed)
        if self._goes_on():
            self._resume()
        done, ranks = self.progress, self.ranks
        done.processes += [] if done.processes[-1:] == [ranks.size] else [ranks.size]
        ranks.align([*self.model.parameters(), *self.model.buffers()])
        self.journal.rewind(done.step, done.epoch, done.curve)
        while True:
            with products_in_tf32(self.device, self.now.train.tf32):
                while self.place < self.now.end:
                    self._epoch()
                    self._validate()
            self.model.load_state_dict(self.learner.best)
            if self.now is self.stages[-1]:
                break
            done.stage, done.first_epoch, done.best, done.best_epoch = done.stage + 1, done.epoch, {}, -1
            self._prepare()
        with products_in_tf32(self.device, self.now.train.tf32):
            return self._result()

    def _result(self) -> TrainResult:
        """What the best weights of the last stage make of every split; the test split is read here."""
        done, splits, batches = self.progress, self.splits, self.batches
        validation = done.best if "accuracy" in done.best else splits.evaluate(self.model, "validation")[0]
        precision = self.now.train.precision
        told = telemetry(self.model, batches["validation"], self.device, precision) if self.ranks.first else ()
        test, logits_NK = splits.evaluate(self.model, "test") if "test" in batches else ({}, torch.empty(0))
        others = {
            name: splits.answers(self.model, asked, f"test of {name}")[0] for name, asked in self.elsewhere.items()
        }
        test_readings, published_reading = readings(self.journal.tests)
        return TrainResult(
            validation=validation, test=test, test_logits_NK=logits_NK, best_epoch=done.best_epoch, epochs=done.epoch,
            steps=done.step, seconds=done.seconds, stopped=tuple(done.stopped), telemetry=told,
            test_readings=test_readings, published_reading=published_reading, out_of_domain=others,
        )  # fmt: skip

    def _compute_in(self, precisions: list[str]) -> None:
        self.stages = in_precisions(self.stages, precisions, self.checkpoint)
        self.progress.precisions = precisions

    def _prepare(self) -> None:
        """Make ready for the stage that the progress names; it starts from the weights that are there."""
        self.now = self.stages[self.progress.stage]
        at_once = self.progress.micro_batch
        self.learner = Learner.of_stage(self.model, self.now, self.device, self.ranks, at_once, self.seat)
        self.splits = SplitReader(self.batches, self.now, self.progress, self.journal, self.device, self.ranks)

    def _epoch(self) -> None:
        """Train to the end of the epoch (or of the stage), from wherever the progress stands."""
        done, now = self.progress, self.now
        records: list[StepRecord] = []
        last_save = started = time.monotonic()
        self.model.train()
        for batch in now.augmented(done.epoch, start=done.batch):
            records.append(self._step(batch))
            done.batch, done.step = done.batch + 1, done.step + 1
            if len(records) == LOG_STEPS:
                self._log(records)
            self.on_step(done.step, self.total_steps, f"epoch {done.epoch + 1}/{self._epochs()}")
            if self.place == now.end:
                break
            if self._is_due(time.monotonic() - last_save >= now.train.checkpoint_seconds, records):
                self._log(records)
                done.seconds, started = done.seconds + time.monotonic() - started, time.monotonic()
                self._save()
                last_save = time.monotonic()
        self._log(records)
        done.seconds += time.monotonic() - started

    def _is_due(self, here: bool, records: list[StepRecord]) -> bool:
        """Whether to write a checkpoint: several processes agree on it where they have just waited for each other."""
        if self.ranks.size == 1:
            return here
        return not records and bool(self.ranks.agreed(here))

    def _epochs(self) -> int:
        """Epochs of all stages, had none a limit of steps."""
        return sum(stage.train.epochs for stage in self.stages)

    def _step(self, batch: Batch) -> StepRecord:
        """One optimiser step; what is worth writing down stays on the device."""
        now = self.now
        at = self.place / self.total_steps
        self.model.set_progress(at)
        if self.seat is not None:
            self.seat.at = self.progress.stage, at
        now.ingredients.optimiser.before_step(self.step.optimiser, self.place - now.first_step, now.steps)
        record = self.step(batch.to(self.device), (self.spec.seed, self.progress.step))
        if self.step.micro_batch != now.train.micro_batch:
            self.progress.micro_batch = self.step.micro_batch
        if self.learner.average is not None:
            self.learner.average.update_parameters(self.model, self.step.objective)
        return record

    def _log(self, records: list[StepRecord]) -> None:
        """Fetch what was gathered since the last call, check it, write it down, and forget it."""
        if not records:
            return
        columns = gathered(records, self.ranks)
        step, now = self.progress.step, self.now
        check_steps(step - len(records) + 1, columns["loss"], columns["norm"], self.model)
        weights = torch.stack([p.isfinite().all() for p in self.step.parameters])
        check_after(step, bool(weights.all()), "the weights are not finite")
        rate = now.ingredients.optimiser.learning_rate(self.place - 1 - now.first_step, now.steps)
        self._write("train", step=step, **in_a_row(columns), lr=rate)
        records.clear()

    def _validate(self) -> None:
        """End an epoch: judge it, count it, write it down."""
        done, now = self.progress, self.now
        metrics, settled = self._judged()
        done.epoch, done.batch = done.epoch + 1, 0
        done.validations.append(metrics)
        self._choose(metrics)
        self._write("validation", step=done.step, epoch=done.epoch, **metrics, **settled)
        if now.train.read_test_each_epoch and now is self.stages[-1] and "test" in self.batches:
            self.splits.evaluate(self.learner.judged, "test", diagnostic=True)
        words = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        place = f"{now.name}, epoch {done.epoch}/{self._epochs()}, step {done.step}"
        logger.info("%s: %s (best: epoch %d), %.0f s", place, words, done.best_epoch, done.seconds)
        self._save()

    def _judged(self) -> tuple[dict[str, float], dict[str, float]]:
        """What the stage says of the weights that it judges, and what its objective set in them before."""
        judged, stage = self.learner.judged, self.now.stage
        # What followed the texts alone, each process its own.
        self.ranks.align([*self.model.buffers(), *(judged.buffers() if judged is not self.model else ())])
        judge = SplitJudge(judged, self.learner.judging, self.splits)
        settled, metrics = judge.settled(), stage.validate(judge)
        numbers = [*metrics.values(), *settled.values(), stage.score(metrics)]
        finite = all(map(math.isfinite, numbers))
        check_after(self.progress.step, finite, f"the validation gives {metrics | settled}, score {numbers[-1]}")
        return metrics, settled

    def _choose(self, metrics: dict[str, float]) -> None:
        """Keep the weights if they are the best so far; else end the stage where its patience does."""
        done, score = self.progress, self.now.stage.score
        if not done.best or score(metrics) > score(done.best):
            done.best, done.best_epoch = metrics, done.epoch
            self.learner.keep_best()
        elif self._out_of_patience():
            logger.info("no better for %d epochs: the stage ends", done.epoch - done.best_epoch)
            done.stopped.append(done.epoch)
            done.skipped += self.now.end - self.place

    def _out_of_patience(self) -> bool:
        """Of a stage with epochs left; both are counted from its beginning."""
        done, train = self.progress, self.now.train
        waited, passed = done.epoch - done.best_epoch, done.epoch - done.first_epoch
        return 0 < train.patience <= waited and passed >= train.min_epochs and self.place < self.now.end

    def _write(self, kind: str, **values: Any) -> None:
        """A line of the curve; of a stage before the last under a kind of its own, with the stage's name."""
        if self.now is self.stages[-1]:
            self.journal.append(kind, **values)
        else:
            self.journal.append(f"stage_{kind}", stage=self.now.name, **values)

    def _save(self) -> None:
        if self.checkpoint is None or not self.ranks.first:
            return
        self.progress.curve = self.journal.mark()
        self.progress.passed = self.passed_before + time.monotonic() - self.began
        self.progress.optimiser, tensors = self.learner.state(self.device)
        ckpt.save_checkpoint(self.checkpoint, self.identity, tensors, self.progress)

    def _resume(self) -> None:
        assert self.checkpoint is not None
        tensors, self.progress = ckpt.load_checkpoint(self.checkpoint, self.identity)
        self.passed_before = self.progress.passed
        if not self.ranks.alike([self.progress.step, self.progress.epoch]):
            raise SpecError(f"{self.checkpoint}: not all processes see the same; they need one file system")
        self._compute_in(self.progress.precisions)
        self._prepare()
        self.learner.load_state(self.progress.optimiser, tensors, self.device)
        logger.info("resumed at step %d of %d", self.progress.step, self.total_steps)
