"""Run one prepared cell in a process of its own: ``python -m experiments.worker CELL [--threads N] [--device D]``.

Started by the grid. Exit status: 0 finished, 3 busy elsewhere, 143 asked to stop, 1 anything else (see
failure.json and output.txt).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cells import CellBusyError, InterruptedRunError, is_trial, load_config
from .progress import terminal_log
from .runner import run_cell, run_trial, use_threads
from .store import Config, make_experiment, run_recorded

BUSY, STOPPED = 3, 143


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--keep-weights", action="store_true")
    options = parser.parse_args(arguments)
    defaults: Config = {"folder": "", "threads": 0, "device": "auto", "keep_weights": False, "run": {}, "seed": 0}
    updates = {**vars(options), "folder": str(options.folder), "seed": load_config(options.folder)[1].seed}
    try:
        with terminal_log():
            run_recorded(make_experiment("cell", defaults, resolve, work), updates)
    except CellBusyError:
        return BUSY
    except InterruptedRunError:
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
