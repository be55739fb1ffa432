"""What a run leaves when something stops it: its log, and failure.json with the cause."""

from __future__ import annotations

import logging
import re
import signal
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import swarmformer
from swarmformer.cli.command import logged_by
from swarmformer.errors import InterruptedRunError, TrainingDivergedError
from swarmformer.spec import RunSpec
from swarmformer.training.faults import PeerFailedError, is_from_outside

from .cells import CellFailedError, identity, save_failure
from .owner import CellBusyError

logger = logging.getLogger("swarmformer")
PACKAGES = (Path(swarmformer.__file__).parent, Path(__file__).parent)
OTHERS = (*PACKAGES, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")))
"""Where no component of a user's own lies."""
OF_THE_CARD = (
    "CUBLAS_STATUS_NOT_INITIALIZED",  # by cublasCreate: no room beside the other processes of the card
    "CUDNN_STATUS_NOT_INITIALIZED",
    "busy or unavailable",
    "the launch timed out",
    "uncorrectable ECC error",
    "unspecified launch failure",
)
"""Words of an error that a card ended with, and neither memory (``training.faults``) nor what the run computed."""
_cell: ContextVar[Path | None] = ContextVar("the log of the cell whose turn it is", default=None)


@contextmanager
def failure_recorded(folder: Path, arm: str, spec: RunSpec, *, beside: bool = False) -> Iterator[None]:
    """Write failure.json for errors; an interruption leaves the cell to be continued, and so does any error ``beside``
    other cells of a process, whose fault it may be."""
    try:
        yield
    except InterruptedRunError:
        logger.info("interrupted; the same command goes on from the last checkpoint")
        raise
    except CellBusyError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            raise  # Ctrl-C where nobody has made it an interruption of ours
        if beside:
            logger.error("did not end beside other cells: %s", cause_of(error))
            raise
        step = error.step if isinstance(error, TrainingDivergedError) else None
        cause = cause_of(error)
        logger.error("FAILED: %s", cause)
        save_failure(folder, identity(arm, spec), cause, step=step, traceback=storable(traceback.format_exc()),
                     resumable=leaves_checkpoint_good(error))  # fmt: skip
        if not isinstance(error, Exception):
            raise CellFailedError(f"{folder}: {cause}") from error
        raise


def leaves_checkpoint_good(error: BaseException) -> bool:
    """Whether a run that ended so may go on from its checkpoint: the cause lay outside of it, in its card as well."""
    if is_from_outside(error):
        return True
    return isinstance(error, RuntimeError | PeerFailedError) and any(words in str(error) for words in OF_THE_CARD)


def cause_of(error: BaseException) -> str:
    """What stopped a run, in a line."""
    if isinstance(error, SystemExit):
        return f"sys.exit({storable(repr(error.code))}) was called"
    words = " ".join(storable(str(error)).split())
    return f"{type(error).__name__}: {words}" if words else f"{type(error).__name__} was raised"


def raised_at(traceback: str) -> str:
    """``mine.py:8``: the innermost place of a traceback outside of Python, installed packages and this project, or else
    the innermost of all; nothing where there is none."""
    places = re.findall(r'^ *File "([^"<]+)", line (\d+)', traceback, re.MULTILINE)
    own = [place for place in places if not any(Path(place[0]).is_relative_to(folder) for folder in OTHERS)]
    return next((f"{Path(file).name}:{line}" for file, line in reversed(own or places)), "")


def storable(text: str) -> str:
    """Text of a component as a file can hold it and a terminal may show it."""
    plain = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c in "\n\t" or c.isprintable() else repr(c)[1:-1] for c in plain)


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Have all that is logged in this file too, but for what a cell logs that takes turns with this one."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(lambda record: _cell.get() in (None, path))
    before = _cell.set(path)
    try:
        with logged_by(handler):
            yield
    finally:
        _cell.reset(before)
