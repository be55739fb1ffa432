"""What is shown while cells run: a bar for each on a terminal, a line in the log for each epoch elsewhere.

A thread reads what the cells write (see ``follow``). It can fall silent, but neither stop nor change a run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn
from rich.table import Column

from swarmformer.records import Result, Trial, UnreadableFileError

from .follow import Follower, Outlook, said
from .progress import console, on_terminal
from .status import done_of

LOOK_S = 1.0
WIDE = 110
"""Columns of a terminal that has room for everything."""
WORDS = len("epoch 10/20, 0:00:00 left, loss 0.000, val 00.0 %")
logger = logging.getLogger("swarmformer.grid")


@contextmanager
def _harmless() -> Iterator[None]:
    try:
        yield
    except Exception:
        logger.exception("progress cannot be shown; the runs go on")


def _done(folder: Path) -> Result | Trial | None:
    with suppress(UnreadableFileError):
        return done_of(folder)
    return None


def _columns(width: int) -> tuple[ProgressColumn, ...]:
    """Name, bar and words; a narrow terminal shortens bars, then cuts names."""
    bar = 20 if width >= WIDE else 8
    name = Column(no_wrap=True, max_width=max(width - WORDS - bar - 2, 8))
    return TextColumn("{task.description}", table_column=name), BarColumn(bar), TextColumn("{task.fields[words]}")


class Watch:
    """Watches cells between ``begin`` and ``end``; to be entered, and left when nothing runs any more.

    Args:
        total: cells of the grid, for its own bar; 0 for a single run, which writes its own log.
        workers: how many run at once.
        outlook: what is known of cells that are finished or wait.
    """

    def __init__(self, total: int = 0, workers: int = 1, outlook: Outlook | None = None) -> None:
        self.total, self.workers, self.outlook = total, workers, outlook or Outlook()
        self.done = 0
        self.followers: dict[str, Follower] = {}
        self._lock, self._stopped = Lock(), Event()
        self._bars = Progress(*_columns(console().width), console=console(), auto_refresh=False, transient=True,
                              disable=not on_terminal())  # fmt: skip
        self._tasks: dict[str, TaskID] = {}
        self._thread = Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Self:
        self._bars.start()
        if self.total or on_terminal():
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._bars.stop()

    def begin(self, name: str, arm: str, folder: Path) -> None:
        """Show a cell that is about to run; epochs that a start before it told are passed over."""
        follower = Follower(folder)
        with _harmless(), self._lock:
            follower.look()
            follower.progress = None
            self.followers[name] = follower
            self.outlook.running.append((arm, follower))
            if arm in self.outlook.waiting:
                self.outlook.waiting.remove(arm)
            self._tasks[name] = self._bars.add_task(name.rpartition("-")[0] or name, total=None, words="starts")
        if self.total:
            logger.info("%s: started", name)

    def end(self, name: str) -> None:
        """Tell the rest of a cell and show it no more; nothing happens where it was not shown."""
        with _harmless(), self._lock:
            follower = self.followers.pop(name, None)
            if follower is None:
                return
            self._tell(name, follower)
            for arm, ended in self.outlook.running:
                if ended is follower and (done := _done(follower.folder)) is not None:
                    self.outlook.took(arm, done.seconds.total)
            self.outlook.running = [pair for pair in self.outlook.running if pair[1] is not follower]
            self._bars.remove_task(self._tasks.pop(name))

    def _look_on(self) -> None:
        with _harmless():
            while not self._stopped.wait(LOOK_S):
                with self._lock:
                    for name, follower in self.followers.items():
                        self._tell(name, follower)
                    self._draw()

    def _tell(self, name: str, follower: Follower) -> None:
        for words in follower.look():
            if self.total and not on_terminal():
                logger.info("%s: %s", name, words)

    def _draw(self) -> None:
        for name, follower in self.followers.items():
            done = follower.progress
            steps: Mapping[str, int] = {"completed": done.step, "total": done.steps} if done else {}
            self._bars.update(self._tasks[name], words=follower.brief(), **steps)  # type: ignore[arg-type]
        if self.total:
            left = self.outlook.left_s(self.workers)
            words = f"{self.done}/{self.total} cells{'' if left is None else f', about {said(left)} left'}"
            if "" not in self._tasks:
                self._tasks[""] = self._bars.add_task("the grid", total=self.total, words=words)
            self._bars.update(self._tasks[""], completed=self.done, words=words)
        self._bars.refresh()
