"""Measure what variants cost: ``swarmformer bench with variants=[base,base+windowed] lengths=[256,768]``.

Keys (lists may be one value): variants, lengths (tokens), batches (texts), threads, precision (fp32, bf16,
bf16_weights), modes (forward, training: fixed shapes; single_stream, offline: real texts of data.task, with
and without tokenisation), texts (how many real ones), budget_s (seconds to time; memory and compiling come on
top), memory (peaks of fresh processes), compile (torch.compile, timed apart), device, runs, name (the folder is
runs/name), seed, and any key below model, data and train. ``print_config`` shows the resolved configuration.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from swarmformer.cli.command import assignments, command_parser
from swarmformer.cost.timing import torch_threads
from swarmformer.environment import resolve_device
from swarmformer.merge import nest

from . import scaling
from .measure.benchmark_rows import Measurement
from .measure.benchmark_settings import DEFAULTS, LISTS, SECTIONS, Settings, check_keys
from .measure.cost_table import print_costs
from .measure.measured import new_folder, write_costs_json, write_start
from .progress import logged_exit_status
from .speed.command import run_figures
from .speed.depth import DEPTHS
from .store import Config, make_experiment, run_command_line


def resolve(config: Config) -> Config:
    """The configuration checked: every variant can be read, and the folder is free."""
    settings, patch = _checked(config)
    folder = new_folder(settings.runs, settings.name)
    Measurement(settings, patch, resolve_device(settings.device))
    return {**settings.model_dump(), **patch, "folder": str(folder)}


def _checked(config: Config) -> tuple[Settings, Config]:
    settings = check_keys(config, DEFAULTS, Settings, LISTS)
    return settings, nest({key: config[key] for key in SECTIONS})


def measure(_config: Config, model: Config, data: Config, train: Config) -> None:
    # Sacred keeps what the command line said, lists in a shell's words among it: check once more.
    settings, patch = _checked({key: _config[key] for key in DEFAULTS})
    device, folder = resolve_device(settings.device), Path(_config["folder"])
    measurement = Measurement(settings, patch, device)
    with torch_threads(max(settings.threads)):
        write_start(folder, {**settings.model_dump(), **patch}, device)
        measurement.run()
        write_costs_json(
            folder,
            device=device,
            threads=max(settings.threads),
            limits=measurement.limits,
            rows=measurement.rows,
            missing=measurement.missing,
        )
    print_costs(folder / "costs.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: ``swarmformer bench``."""
    parser = command_parser("bench", __doc__)
    parser.usage = "%(prog)s quick|full [KEY=VALUE …] | [print_config] with KEY=VALUE … | scaling …"

    def run() -> int | None:
        words = assignments(parser, arguments, "quick")
        if words[0] == "scaling":
            return scaling.main(words[1:])
        if words[0] in DEPTHS:
            run_figures(words[0], words[1:])
        else:
            run_command_line(make_experiment("benchmark", DEFAULTS, resolve, measure), words)
        return None

    return logged_exit_status(run, "stopped; nothing was written")


if __name__ == "__main__":
    sys.exit(main())
