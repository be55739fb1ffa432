"""What a command shows: its log, its tables, and how it ends. Imports no torch."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from swarmformer.cli.command import exit_status, logged_by

WIDTH = 170
"""Of tables where the output is no terminal, which tells its own width."""


@cache
def console() -> Console:
    """The one for standard error: what is logged is written above the bars that are shown there."""
    return Console(stderr=True)


def on_terminal() -> bool:
    """Whether standard error is one: ``FORCE_COLOR``, which notebooks set, makes none of a file."""
    return console().file.isatty()


@contextmanager
def terminal_log() -> Iterator[None]:
    """Show the log meanwhile: through rich on a terminal, as plain lines elsewhere."""
    handler: logging.Handler
    if on_terminal():
        handler = RichHandler(console=console(), show_path=False)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    with logged_by(handler, logging.INFO):
        yield


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
