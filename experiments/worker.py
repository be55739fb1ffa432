"""Run one prepared cell in a process of its own: ``python -m experiments.worker CELL [--threads N]``.

Started by the grid. Exit status: 0 finished, 3 busy elsewhere, 1 anything else (see failure.json and output.txt).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from experiments.cells import CellBusyError, load_config
from experiments.progress import log_to_terminal
from experiments.runner import run_cell, use_threads
from experiments.store import Config, make_experiment, run_recorded

BUSY = 3


def resolve(config: Config) -> Config:
    arm, spec, device = load_config(Path(config["folder"]))
    return {"arm": arm, "run_key": spec.run_key, "device": device, "run": spec.to_dict()}


def main(_config: Config, run: Config) -> dict[str, Any] | None:
    folder = Path(_config["folder"])
    arm, spec, device = load_config(folder)
    use_threads(_config["threads"])
    result = run_cell(folder, arm, spec, device, _config["keep_weights"])
    return result and result["metrics"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--keep-weights", action="store_true")
    options = parser.parse_args()
    log_to_terminal()
    updates = {"folder": str(options.folder), "threads": options.threads, "keep_weights": options.keep_weights}
    defaults: Config = {"folder": "", "threads": 0, "keep_weights": False, "run": {}, "seed": 0}
    try:
        run_recorded(make_experiment("cell", defaults, resolve, main), updates)
    except CellBusyError:
        sys.exit(BUSY)
