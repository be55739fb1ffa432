"""How far a running cell is: what it writes of it, and what others read there. Imports no torch.

A cell writes ``progress.json`` and ``curve.jsonl``; whoever watches only reads, so that no watcher can disturb a run,
and one that comes later sees as much.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from swarmformer.records import CHECKPOINT, CURVE, LOG, PROGRESS, Progress, UnreadableFileError, load, save

VALIDATIONS = ("validation", "stage_validation")
TELL_S = 1.0
SIGNS = (PROGRESS, CURVE, LOG, CHECKPOINT)
"""What a living cell writes."""
SILENT_S = 60.0
"""Less than that is no silence: validations and the reading of data take as long."""


class StepsTold:
    """Called after every step; writes how far the steps are for whoever watches, once a second at most."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first_step = -1
        self.began = self.told = 0.0

    def __call__(self, done: int, total: int, words: str) -> None:
        now = time.monotonic()
        if self.first_step < 0:
            self.first_step, self.began = done, now
        elif now - self.told < TELL_S and done < total:
            return
        self.told = now
        told = Progress(step=done, steps=total, words=words, first_step=self.first_step, seconds=now - self.began)
        with suppress(OSError):  # a disk that is full fails the run where it matters: at its checkpoint
            save(self.path, told, flush=False)


@dataclass
class Follower:
    """What a cell has told so far. ``look`` reads on from where it stopped; half a line waits for its rest."""

    folder: Path
    progress: Progress | None = None
    loss: float | None = None
    """Of training, over the last steps."""
    accuracy: float | None = None
    """Of the last validation."""
    _place: int = 0
    _epoch: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def look(self) -> list[str]:
        """Read what is new; a line of words for each epoch that ended since the last look."""
        with suppress(UnreadableFileError):
            self.progress = load(self.folder / PROGRESS, Progress)
        return [words for line in self._new_lines() if (words := self._taken(line))]

    def words(self, *, left: bool = True) -> str:
        """``epoch 3/7, step 120/300, loss 0.4123, validation 81.20 %, 0:00:12 left``"""
        if self.progress is None:
            return ", ".join(self._measured()) or "no step yet"
        place = [self.progress.words, f"step {self.progress.step}/{self.progress.steps}", *self._measured()]
        return ", ".join(filter(None, [*place, *_left(self.progress.left_s if left else None)]))

    def silence(self) -> str:
        """How long there was no sign of life, where that is worth a word; by the clock."""
        written = [path.stat().st_mtime for name in SIGNS if (path := self.folder / name).exists()]
        passed = time.time() - max(written, default=time.time())
        return f"no sign of life for {said(passed)}" if passed > SILENT_S else ""

    def brief(self) -> str:
        """The same in a line that has a bar too: ``epoch 3/7, 0:00:12 left, loss 0.412, val 81.2 %``"""
        if self.progress is None:
            return self.words()
        loss = [] if self.loss is None else [f"loss {self.loss:.3f}"]
        accuracy = [] if self.accuracy is None else [f"val {100 * self.accuracy:.1f} %"]
        return ", ".join(filter(None, [self.progress.words, *_left(self.progress.left_s), *loss, *accuracy]))

    def _measured(self) -> list[str]:
        loss = [] if self.loss is None else [f"loss {self.loss:.4f}"]
        return loss if self.accuracy is None else [*loss, f"validation {100 * self.accuracy:.2f} %"]

    def _new_lines(self) -> Iterator[Mapping[str, Any]]:
        with suppress(OSError), (self.folder / CURVE).open("rb") as stream:
            if stream.seek(0, 2) < self._place:  # a run that goes on dropped what came after its checkpoint
                self._place, self._rest = 0, b""
            stream.seek(self._place)
            *lines, self._rest = (self._rest + stream.read()).split(b"\n")
            self._place = stream.tell()
            for line in lines:
                with suppress(ValueError, RecursionError):
                    if isinstance(found := json.loads(line), dict):
                        yield found

    def _taken(self, line: Mapping[str, Any]) -> str:
        """Remember a line of the curve; words where it is of an epoch that was not told yet."""
        kind, loss, epoch = line.get("kind"), line.get("loss"), line.get("epoch")
        if kind not in VALIDATIONS:
            self.loss = loss if kind in ("train", "stage_train") and isinstance(loss, float) else self.loss
            return ""
        accuracy = line.get("accuracy")
        self.accuracy = accuracy if isinstance(accuracy, float) else None
        if not isinstance(epoch, int) or epoch <= self._epoch:
            return ""
        self._epoch = epoch
        of = self.progress.words.partition("/")[2] if self.progress else ""
        ended = [f"epoch {epoch}{f'/{of}' if of else ''}", *self._measured()]
        return ", ".join([*ended, *_left(self.progress.left_s if self.progress else None)])


def _left(seconds: float | None) -> list[str]:
    return [] if seconds is None else [f"{said(seconds)} left"]


def said(seconds: float) -> str:
    """``0:12:30``"""
    return str(timedelta(seconds=round(seconds)))


@dataclass
class Outlook:
    """How long a grid will still take, as far as its cells can tell.

    taken: arm → seconds of its finished cells. waiting: the arm of each cell that has not started. running: those that
    run, with their arms.
    """

    taken: dict[str, list[float]] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    running: list[tuple[str, Follower]] = field(default_factory=list)

    def took(self, arm: str, seconds: float) -> None:
        """Count a finished cell or trial."""
        self.taken.setdefault(arm, []).append(seconds)

    def left_s(self, workers: int) -> float | None:
        """Seconds, with so many cells at once; None before there is anything to judge by.

        A cell takes what its arm's finished ones took, else what one of its arm that runs will take, else the mean of
        all arms.
        """
        left = [(arm, follower.progress.left_s if follower.progress else None) for arm, follower in self.running]
        whole = {arm: f.progress.seconds + seconds for (arm, f), (_, seconds) in zip(self.running, left, strict=True)
                 if f.progress and seconds is not None}  # fmt: skip
        usual = whole | {arm: sum(seconds) / len(seconds) for arm, seconds in self.taken.items()}
        if not usual:
            return None
        mean = sum(usual.values()) / len(usual)
        going = [usual.get(arm, mean) if seconds is None else seconds for arm, seconds in left]
        ahead = sum(usual.get(arm, mean) for arm in self.waiting)
        return max([(ahead + sum(going)) / max(workers, 1), *going])
