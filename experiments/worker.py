"""Run one prepared cell, watched: ``python -m experiments.worker CELL [--threads N] [--device D] [--minutes N] …``.

Started by the grid. Exit status: 0 finished, 3 busy elsewhere, 143 asked to stop, 1 anything else (see
failure.json and output.txt).
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmformer.cli.command import CommandParser
from swarmformer.errors import InterruptedRunError
from swarmformer.training.faults import is_from_outside

from .cells import is_trial, load_config
from .execute.failures import record_failure
from .execute.supervise import BUSY, DONE, FAILED, STOPPED, Supervisor, Tell
from .faults import cause_of, storable
from .limits import StartLimits
from .owner import CellBusyError
from .progress import terminal_log
from .runner import run_cell, run_trial, use_threads
from .store import Config, make_experiment, run_recorded

DEFAULTS: Config = {"folder": "", "threads": 0, "device": "auto", "keep_weights": False, "run": {}, "seed": 0}


def resolve(config: Config) -> Config:
    arm, spec = load_config(Path(config["folder"]))
    return {"arm": arm, "run_key": spec.run_key, "run": spec.to_dict()}


def work(_config: Config, run: Config) -> dict[str, Any] | None:
    folder = Path(_config["folder"])
    arm, spec = load_config(folder)
    use_threads(_config["threads"])
    if is_trial(folder):
        trial = run_trial(folder, arm, spec, _config["device"])
        return None if trial is None else {"validation": trial.validation.model_dump()}
    result = run_cell(folder, arm, spec, _config["device"], _config["keep_weights"])
    return None if result is None else result.metrics.model_dump()


def cell(settings: Config, tell: Tell) -> None:
    """The cell itself, in its own process. Whatever is raised, also before its first line, becomes a cause."""
    folder = Path(settings["folder"])
    try:
        updates = {**settings, "seed": load_config(folder)[1].seed}
        with terminal_log():
            run_recorded(make_experiment("cell", DEFAULTS, resolve, work), updates)
    except CellBusyError:
        tell(BUSY)
    except InterruptedRunError:
        tell(STOPPED)
    except BaseException as error:  # components may raise anything
        told = storable(traceback.format_exc())
        print(told, file=sys.stderr)
        record_failure(folder, cause_of(error), traceback=told, resumable=is_from_outside(error))
        tell(FAILED)
    else:
        tell(DONE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--keep-weights", action="store_true")
    StartLimits.add_flags(parser)
    options = parser.parse_args(arguments)
    settings: Config = {"folder": str(options.folder), **{key: getattr(options, key)
                        for key in ("threads", "device", "keep_weights")}}  # fmt: skip
    return Supervisor(options.folder, cell, settings, StartLimits.of(options)).run()


if __name__ == "__main__":
    sys.exit(main())
