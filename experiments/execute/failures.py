"""What becomes of a cell that did not finish: its cause is written down, and ``retry`` leads out of every state."""

from __future__ import annotations

import logging
import signal
from contextlib import suppress
from pathlib import Path

from swarmformer import records
from swarmformer.records import (
    CHECKPOINT,
    CONFIG,
    CURVE,
    ENVIRONMENT,
    FAILURE,
    LOSSES,
    PREDICTIONS,
    PROGRESS,
    RESULT,
    TRIAL,
    TUNING,
    Document,
    Tuning,
    UnreadableFileError,
)

from ..cells import CellError, Identity, load_config, save_failure, status_of
from ..owner import GLANCE_S, LOCK, CellBusyError, held
from ..plan import Plan
from ..status import Status
from ..tuning import choice_of, set_aside

logger = logging.getLogger("swarmformer.grid")
MAX_DEATHS = 3
"""Of a cell in a row, without a word and without another checkpoint between them; then it has failed. A grid counts the
jobs, a supervisor the starts of its own process."""
WHOLE: dict[str, type[Document]] = {
    RESULT: records.Result, TRIAL: records.Trial, CONFIG: records.Config, ENVIRONMENT: records.Environment,
    FAILURE: records.Failure,
}  # fmt: skip
"""The files of a cell that must be readable."""
OF_A_RUN = (CHECKPOINT, PROGRESS, CURVE)
"""What a run goes on from."""


def cause_of_exit(status: int | None) -> str:
    """How a process ended that said nothing itself."""
    if status is None or status >= 0:
        return f"its process ended with exit status {status} and without a word"
    with suppress(ValueError):
        name = signal.Signals(-status).name
        return f"its process was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"its process was killed by signal {-status}"


def after_deaths(cause: str) -> str:
    """The cause of the last of ``MAX_DEATHS`` as that of a failure."""
    return f"{cause}, {MAX_DEATHS} times in a row without getting further"


def record_failure(folder: Path, cause: str, *, traceback: str = "", resumable: bool) -> None:
    """Write failure.json for a prepared cell whose own process could not, unless it has ended otherwise by now.

    Nothing is written where it cannot be (a full disk): then the cell is as it was, INTERRUPTED.
    """
    try:
        with held(folder, GLANCE_S):
            if any((folder / name).exists() for name in (RESULT, TRIAL, FAILURE)):
                return
            config = records.load(folder / CONFIG, records.Config)
            step = records.load(folder / PROGRESS, records.Progress).step if (folder / PROGRESS).exists() else None
            of_cell = Identity(run_key=config.run_key, variant=config.variant, arm=config.arm, seed=config.seed)
            save_failure(folder, of_cell, cause, step=step, traceback=traceback, resumable=resumable)
    except CellBusyError:
        return
    except (OSError, UnreadableFileError) as error:
        logger.error("%s: %s; it could not be recorded: %s", folder.name, cause, error)


def retry(plan: Plan, folder: Path) -> frozenset[str]:
    """Set aside what failed or cannot be read of a plan's cells, so that they can be run; returns which.

    Trials are tried anew as long as nothing is chosen, and where all trials of an arm failed: what is chosen stays.
    """
    cells = list(plan.cells())
    if plan.grid.tune is not None:
        tuning = _choice_anew(plan, folder)
        found = plan if tuning is None else plan.with_choice(tuning)
        trials = [cell for cell in plan.trials() if cell.arm in found.open_arms]
        if trials and (folder / TUNING).exists():
            set_aside(folder / TUNING)
        cells = [*trials, *found.cells()]
    places = [cell.folder(folder) for cell in cells]
    return frozenset(place.relative_to(folder).as_posix() for place in places if set_failure_aside(place))


def _choice_anew(plan: Plan, folder: Path) -> Tuning | None:
    """The choice; one that cannot be read is set aside, as it is made of nothing but the trials."""
    try:
        return choice_of(plan, folder)
    except UnreadableFileError as error:
        kept = set_aside(folder / TUNING)
        logger.warning("%s; it is kept as %s, and the choice is made again from the trials", error, kept.name)
        return choice_of(plan, folder)


def set_failure_aside(place: Path) -> bool:
    """Make a cell that failed or cannot be read one that can be run; nothing is deleted. Whether there was anything.

    A cell that is being run again already is left alone. A run whose cause lay outside of it goes on from its
    checkpoint; another, or one whose history cannot be read, starts anew.
    """
    if status_of(place)[0] not in (Status.FAILED, Status.UNREADABLE):
        return False
    if (place / LOCK).is_dir():
        set_aside(place / LOCK)
    with suppress(CellBusyError), held(place, GLANCE_S):
        damaged = [name for name in WHOLE if not _is_whole(place, name)]
        kept = _goes_on(place) and not {CONFIG, ENVIRONMENT, FAILURE} & {*damaged}
        old = [name for name in (*damaged, *(() if kept else OF_A_RUN)) if name != FAILURE]
        if RESULT in damaged:
            old += [PREDICTIONS, LOSSES]
        # failure.json goes last: a retry that is killed half-way is still a failed cell.
        for name in (*old, FAILURE):
            if (place / name).exists():
                set_aside(place / name)
        return True
    return False


def _is_whole(place: Path, name: str) -> bool:
    if not (place / name).exists():
        return True
    try:
        records.load(place / name, WHOLE[name])
        if name == CONFIG:
            load_config(place)
    except (UnreadableFileError, CellError):
        return False
    return True


def _goes_on(place: Path) -> bool:
    """Whether the cause of a failure, where there is one, left the checkpoint good."""
    try:
        return not (place / FAILURE).exists() or records.load(place / FAILURE, records.Failure).resumable
    except UnreadableFileError:
        return False
