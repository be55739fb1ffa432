"""Runs that take turns in one process, so that one pass can compute the steps that they have in common.

Each run is ordinary code with a stack of its own (a greenlet). It goes on until it needs the gradients of a batch, and
waits there for the others.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from greenlet import getcurrent, greenlet

from swarmformer.data.batching import Batch
from swarmformer.errors import InterruptedRunError
from swarmformer.seeding import Draws
from swarmformer.training.fast import product_precisions, set_product_precisions
from swarmformer.training.journal import StepRecord
from swarmformer.training.seat import Seat
from swarmformer.training.stacked_gradients import Asked, StackedGradients
from swarmformer.training.step import TrainingStep

T = TypeVar("T")


@dataclass
class _Process:
    """What a run has of the process while it is its turn."""

    draws: Draws
    products: list[str]
    python: object
    numpy: dict[str, Any]

    @classmethod
    def now(cls, device: torch.device) -> _Process:
        return cls(Draws.on(device), product_precisions(device), random.getstate(), np.random.get_state(legacy=False))

    def restore(self) -> None:
        self.draws.restore()
        set_product_precisions(self.draws.device, self.products)
        random.setstate(self.python)  # type: ignore[arg-type]
        np.random.set_state(self.numpy)


@dataclass
class _Run(Generic[T]):
    """A run between its turns; ``asked`` is what it waits for."""

    seat: Seat
    line: greenlet
    process: _Process
    asked: Asked | None = None
    outcome: list[T] | None = None


class Together(Generic[T]):
    """Runs works by turns until all have ended. Those that are equally far, with batches of one shape, are computed in
    one pass; a run that is behind, as after a resume, catches up alone. ``interruption`` is what ends the others where
    one of them raises."""

    def __init__(self, device: torch.device, interruption: type[InterruptedRunError] = InterruptedRunError) -> None:
        self.device, self.interruption = device, interruption
        self.stack = StackedGradients()

    def run(self, works: Sequence[Callable[[Seat], T]]) -> list[T]:
        """What each returns.

        Raises:
            BaseException: whatever the first that raises does; the others are interrupted, and what goes wrong then is
                noted with it.
        """
        self.hub = getcurrent()
        begun = _Process.now(self.device)
        seats = [Seat(self._ask, number) for number in range(len(works))]
        pairs = zip(seats, works, strict=True)
        runs = [_Run[T](seat, greenlet(partial(work, seat)), _Process.now(self.device)) for seat, work in pairs]
        try:
            self._by_turns(runs)
        except BaseException as cause:
            for run in runs:
                self._end(run, cause)
            _noting(begun.restore, cause, "the state of the process was restored")
            raise
        begun.restore()
        return [run.outcome[0] for run in runs if run.outcome is not None]

    def _by_turns(self, runs: Sequence[_Run[T]]) -> None:
        for run in runs:
            self._turn(run)
        while waiting := [run for run in runs if run.asked is not None]:
            for run, record in self._answered(waiting):
                self._turn(run, record)

    def _ask(self, seat: Seat, step: TrainingStep, batch: Batch) -> StepRecord | None:
        asked = Asked(step, batch, Draws.on(self.device), seat.number, *seat.at)
        record: StepRecord | None = self.hub.switch(asked)
        return record

    def _turn(self, run: _Run[T], record: StepRecord | None = None) -> None:
        """Let a run go on until it asks again, or ends."""
        run.process.restore()
        given = run.line.switch() if run.asked is None else run.line.switch(record)
        run.process = _Process.now(self.device)
        run.asked, run.outcome = (None, [given]) if run.line.dead else (given, None)

    def _answered(self, waiting: list[_Run[T]]) -> list[tuple[_Run[T], StepRecord | None]]:
        """What those get that are least far."""
        least = min(run.seat.at for run in waiting)
        alike = defaultdict[object, list[_Run[T]]](list)
        for run in waiting:
            if run.seat.at == least and run.asked is not None:
                alike[run.asked.alike].append(run)
        return [pair for runs in alike.values() for pair in self._computed(runs)]

    def _computed(self, runs: list[_Run[T]]) -> list[tuple[_Run[T], StepRecord | None]]:
        asked = [run.asked for run in runs if run.asked is not None]
        runs[0].process.restore()
        records = self.stack(asked) if len(asked) > 1 else None
        for run, one in zip(runs, asked, strict=True):
            run.seat.fault = self.stack.fault(one) or run.seat.fault
            if records is not None:
                run.process.draws, run.seat.most = one.draws, max(run.seat.most, len(runs))
        return [(run, None if records is None else records[number]) for number, run in enumerate(runs)]

    def _end(self, run: _Run[T], cause: BaseException) -> None:
        """Interrupt a run that has not ended, so that it leaves its cell in order."""
        words = f"run {run.seat.number} of those trained together was ended"
        while not run.line.dead:
            _noting(run.process.restore, cause, words)
            _noting(partial(run.line.throw, self.interruption), cause, words)


def _noting(call: Callable[[], object], cause: BaseException, words: str) -> None:
    """Call, whatever goes wrong: that is noted with what went wrong first."""
    try:
        call()
    except InterruptedRunError:
        pass
    except BaseException as error:
        cause.add_note(f"While {words}: {type(error).__name__}: {error}")
