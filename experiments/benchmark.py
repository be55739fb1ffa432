"""Measure what variants cost: ``swarmformer bench with variants=[base,base+windowed] lengths=[256,768]``.

Keys (lists may be one value): variants, lengths (tokens), batches (texts), threads, precision (fp32, bf16,
bf16_weights), modes (forward, training: fixed shapes; single_stream, offline: real texts of data.task, with
and without tokenisation), texts (how many real ones), budget_s (seconds to time; memory and compiling come on
top), memory (peaks of fresh processes), compile (torch.compile, timed apart), device, runs, name (the folder is
runs/name), seed, and any key below model, data and train. ``print_config`` shows the resolved configuration. ``gpu``
makes the table of the published sizes on a GPU: see ``experiments.measure.gpu``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from swarmformer.cli.command import assignments, command_parser
from swarmformer.records import BenchmarkCosts, load

from . import scaling
from .measure.benchmark_rows import Measurement
from .measure.benchmark_streams import Settings
from .measure.command import CostCommand
from .measure.cost_table import print_costs
from .measure.gpu import run_gpu
from .progress import logged_exit_status
from .speed.command import run_figures
from .speed.depth import DEPTHS
from .store import Config, make_experiment, run_command_line

LISTS = ("variants", "lengths", "batches", "threads", "precision", "modes")
COMMAND = CostCommand(Settings, ("model", "data", "train"), LISTS, Measurement)


def measure(_config: Config, model: Config, data: Config, train: Config) -> None:
    path = COMMAND.measure(_config)
    print_costs(load(path, BenchmarkCosts), path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: ``swarmformer bench``."""
    parser = command_parser("bench", __doc__)
    parser.usage = "%(prog)s quick|full|gpu [KEY=VALUE …] | [print_config] with KEY=VALUE … | scaling …"

    def run() -> int | None:
        words = assignments(parser, arguments, "quick")
        if words[0] == "scaling":
            return scaling.main(words[1:])
        if words[0] == "gpu":
            run_gpu(words[1:])
        elif words[0] in DEPTHS:
            run_figures(words[0], words[1:])
        else:
            run_command_line(make_experiment("benchmark", COMMAND.defaults, COMMAND.resolve, measure), words)
        return None

    return logged_exit_status(run, "stopped; nothing was written")


if __name__ == "__main__":
    sys.exit(main())
