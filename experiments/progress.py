"""What a command shows: a bar on a terminal, nothing where the output is a file (the log has lines); its tables; how
it ends."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from swarmformer.cli.command import exit_status
from swarmformer.training.loop import OnStep

WIDTH = 170
"""Of tables where the output is no terminal, which tells its own width."""


@contextmanager
def step_display(title: str) -> Iterator[OnStep]:
    """A callback for every optimiser step."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def on_step(done: int, total: int, words: str) -> None:
            progress.update(task, completed=done, total=total, description=f"{title}, {words}")

        yield on_step


@contextmanager
def terminal_log() -> Iterator[None]:
    """Show the log meanwhile: through rich on a terminal, as plain lines elsewhere."""
    console = Console(stderr=True)
    handler: logging.Handler
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("swarmformer")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def print_tables(tables: Iterable[tuple[Sequence[str], Iterable[Sequence[str]]]], lines: Iterable[str]) -> None:
    """Print (head, rows) of each table, then the lines as they are."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    for head, rows in tables:
        table = Table(*head, box=None)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def logged_exit_status(run: Callable[[], int | None], stopped: str) -> int:
    """``exit_status`` with the log shown meanwhile."""

    def logged() -> int | None:
        with terminal_log():
            return run()

    return exit_status(logged, stopped)
