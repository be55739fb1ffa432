"""Run one prepared cell, watched: ``python -m experiments.worker CELL [--threads N] [--device D] [--minutes N] …``.

Started by the grid, where it likes with other cells of the same specification (``--beside CELL``), which are trained in
the same process. Exit status: 0 finished, 3 busy elsewhere, 143 asked to stop, 1 anything else (see failure.json and
output.txt); of several cells it is that of the first, and their files tell the rest.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from swarmformer.cli.command import CommandParser
from swarmformer.environment import resolve_device, use_threads
from swarmformer.errors import InterruptedRunError
from swarmformer.training.seat import Seat

from .cells import is_trial, load_config
from .execute.failures import record_failure
from .execute.supervise import BUSY, DONE, FAILED, STOPPED, Supervisor, Tell
from .faults import cause_of, leaves_checkpoint_good, storable
from .limits import StartLimits
from .owner import CellBusyError
from .progress import terminal_log
from .runner import run_cell, run_trial
from .store import Config, Terminated, keep_no_output, make_experiment, run_recorded

DEFAULTS: Config = {"folder": "", "threads": 0, "device": "auto", "keep_weights": False, "run": {}, "seed": 0}
Work = Callable[[Config, Config], dict[str, Any] | None]


def resolve(config: Config) -> Config:
    arm, spec = load_config(Path(config["folder"]))
    return {"arm": arm, "run_key": spec.run_key, "run": spec.to_dict()}


def work_of(seat: Seat | None) -> Work:
    """What sacred runs: a cell alone, or in its seat among others."""

    def work(_config: Config, run: Config) -> dict[str, Any] | None:
        folder = Path(_config["folder"])
        arm, spec = load_config(folder)
        use_threads(_config["threads"])
        if is_trial(folder):
            trial = run_trial(folder, arm, spec, _config["device"], seat)
            return None if trial is None else {"validation": trial.validation.model_dump()}
        result = run_cell(folder, arm, spec, _config["device"], _config["keep_weights"], seat=seat)
        return None if result is None else result.metrics.model_dump()

    return work


def train(settings: Config, tell: Tell) -> None:
    """The cell itself, or several, in its own process; tells how the first ended."""
    first, *others = [{**settings, "folder": folder} for folder in settings["folders"]]
    try:
        with terminal_log():
            tell(_together([first, *others]) if others else _cell(first))
    except InterruptedRunError:
        tell(STOPPED)


def _together(settings: Sequence[Config]) -> int:
    from swarmformer.training.together import Together

    keep_no_output()  # of which nobody could say whose it is
    device = resolve_device(settings[0]["device"])
    return Together[int](device, Terminated).run([partial(_cell, one) for one in settings])[0]


def _cell(settings: Config, seat: Seat | None = None) -> int:
    """Its exit status. Whatever is raised, also before its first line, becomes a cause, but for an interruption; in a
    seat the cell is left to be run alone, as nobody can tell whose fault it was."""
    folder = Path(settings["folder"])
    try:
        given = {key: settings[key] for key in ("folder", "threads", "device", "keep_weights")}
        updates = {**given, "seed": load_config(folder)[1].seed}
        run_recorded(make_experiment("cell", DEFAULTS, resolve, work_of(seat)), updates)
    except CellBusyError:
        return BUSY
    except InterruptedRunError:
        raise
    except BaseException as error:  # components may raise anything
        told = storable(traceback.format_exc())
        print(told, file=sys.stderr)
        if seat is None:
            record_failure(folder, cause_of(error), traceback=told, resumable=leaves_checkpoint_good(error))
        return FAILED
    return DONE


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--beside", type=Path, action="append", default=[], metavar="CELL")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--keep-weights", action="store_true")
    StartLimits.add_flags(parser)
    options = parser.parse_args(arguments)
    folders = [options.folder, *options.beside]
    settings: Config = {"folders": [str(folder) for folder in folders],
                        **{key: getattr(options, key) for key in ("threads", "device", "keep_weights")}}  # fmt: skip
    return Supervisor(folders, train, settings, StartLimits.of(options)).run()


if __name__ == "__main__":
    sys.exit(main())
