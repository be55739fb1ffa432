"""What every command has in common: its help, and what its exit status means. Imports nothing heavy."""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from swarmformer.errors import InterruptedRunError, SwarmformerError, UsageError

DONE, FAULT, USAGE, STOPPED = 0, 1, 2, 130
HELP = ("help", "-h", "--help")


def exit_status(run: Callable[[], int | None], stopped: str = "stopped") -> int:
    """Run what a command line asks for and say how it ended.

    Returns:
        0 (or what ``run`` returns) where it is done; 1 with one message on standard error for a fault that a user can
        mend; 2 for a command line that cannot be read; 130 and ``stopped`` where it was. Faults of the code pass.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a terminal's encoding has not, it shows by its code point
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = int(run() or DONE)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever reads has had enough; what is still buffered has nowhere to go
        _write_nowhere()
        return DONE
    except (SwarmformerError, OSError) as error:
        if getattr(error, "errno", None) == errno.ENOSPC:
            _write_nowhere()
        print(f"error: {error}", file=sys.stderr)
        return USAGE if isinstance(error, UsageError) else FAULT
    except (InterruptedRunError, KeyboardInterrupt):
        print(stopped, file=sys.stderr)
        return STOPPED
    except SystemExit as end:
        if (caller := _caller(end)) != "argparse":  # which ends with 0 after help, with 2 after a message
            print(f"error: {caller} ended the program (sys.exit({end.code!r})); nothing is finished", file=sys.stderr)
            return FAULT
        return end.code if isinstance(end.code, int) else USAGE


def _write_nowhere() -> None:
    """What is buffered for an output that takes no more would be tried again when the program ends."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _caller(end: SystemExit) -> str:
    """The module that raised it."""
    frames = list(traceback.walk_tb(end.__traceback__))
    return str(frames[-1][0].f_globals.get("__name__", "a module"))


class CommandParser(argparse.ArgumentParser):
    """Takes options by their whole names alone: what looks like an abbreviation may be a slip that starts something
    else than was meant. Parsers of subcommands are of this class too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)


def command_parser(name: str, about: str | None) -> CommandParser:
    """A parser in the one style: ``about`` is the module's docstring, shown as it is written."""
    return CommandParser(
        prog=f"swarmformer {name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def count(word: str) -> int:
    """A number of things, 0 or more, as argparse reads an option."""
    if not (word.isascii() and word.isdecimal()):
        raise argparse.ArgumentTypeError(f"{word!r} is no number of things")
    return int(word)


def at_least_one(word: str) -> int:
    """The same, 1 or more."""
    if not count(word):
        raise argparse.ArgumentTypeError("must be at least 1")
    return int(word)


def assignments(parser: argparse.ArgumentParser, arguments: Sequence[str] | None, example: str) -> list[str]:
    """The words of a command line in sacred's style (``with KEY=VALUE …``), which starts nothing without words."""
    parser.usage = parser.usage or "%(prog)s [print_config] with KEY=VALUE …"
    words = words_of(arguments)
    if not words:
        parser.error(f"say what, as in: {parser.prog} {example}")
    if any(word in HELP for word in words):
        parser.parse_args(["--help"])
    return words


def words_of(arguments: Sequence[str] | None) -> list[str]:
    """The words of a command line, ``help`` as the option that argparse knows."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return ["--help", *words[1:]] if words[:1] == ["help"] else words


@contextmanager
def logged_by(handler: logging.Handler, level: int = logging.NOTSET) -> Iterator[None]:
    """Have a handler get what this project logs meanwhile; afterwards it is closed, and all is as it was.

    Args:
        level: from which on anything is logged at all meanwhile; NOTSET leaves that as it is.
    """
    logger = logging.getLogger("swarmformer")
    before = logger.level
    logger.setLevel(level or before)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        handler.close()
