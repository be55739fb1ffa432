"""What every command has in common: its help, and what its exit status means. Imports nothing heavy."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from swarmformer.errors import InterruptedRunError, SwarmformerError, UsageError

DONE, FAULT, USAGE, STOPPED = 0, 1, 2, 130
HELP = ("help", "-h", "--help")


def exit_status(run: Callable[[], int | None], stopped: str = "stopped") -> int:
    """Run what a command line asks for and say how it ended.

    Returns:
        0 (or what ``run`` returns) where it is done; 1 with one message on standard error for a fault that a user can
        mend; 2 for a command line that cannot be read; 130 and ``stopped`` where it was. Faults of the code pass.
    """
    try:
        return int(run() or DONE)
    except BrokenPipeError:  # whoever reads has had enough; what is still buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (SwarmformerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE if isinstance(error, UsageError) else FAULT
    except (InterruptedRunError, KeyboardInterrupt):
        print(stopped, file=sys.stderr)
        return STOPPED
    except SystemExit as end:  # argparse: 0 after help, 2 after a message
        return end.code if isinstance(end.code, int) else USAGE


def command_parser(name: str, about: str | None) -> argparse.ArgumentParser:
    """A parser in the one style: ``about`` is the module's docstring, shown as it is written."""
    return argparse.ArgumentParser(
        prog=f"swarmformer {name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )


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
