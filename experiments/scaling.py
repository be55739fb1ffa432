"""How cost grows with length: ``swarmformer bench scaling with variants=[base,base+windowed] lengths=[256,768]``.

FLOPs, seconds and peak memory of a pass at every length, with fitted exponents; all variants and lengths are
timed in the same rounds. The defaults are what the claims of the enhanced model are about: every enhancement,
alone and together, at 256 to 16,384 tokens. Keys: variants (the first is what the others are compared with),
lengths, batch, threads, precision, mode (forward or training), budget_s (seconds to time), call_s (a pass that
takes longer is missing), min_repeats, device, runs, name, seed, and any key below model and train.

With ``piece=4096`` texts of any length are read that many tokens at a time (swarmformer.long), to the same logits, with
one state a token and cluster in memory:
``with piece=4096 variants=[base+windowed+hierarchical] lengths=[16384,1048576] min_repeats=1
call_s=900``. Every row is measured in a fresh process and kept, so that the same command goes on where it was stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from swarmformer.cli.command import assignments, command_parser
from swarmformer.records import ScalingCosts, load

from .measure.command import CostCommand, Measuring
from .measure.cost_table import print_costs, print_growth
from .measure.scaling_rows import ScalingMeasurement, Settings
from .measure.streamed_rows import Streamed
from .progress import logged_exit_status
from .store import Config, make_experiment, run_command_line


def measuring(settings: Settings, patch: Mapping[str, Any], device: torch.device) -> Measuring:
    """Texts whole, all in the same rounds; or in pieces."""
    return (Streamed if settings.piece else ScalingMeasurement)(settings, patch, device)


COMMAND = CostCommand(Settings, ("model", "train"), ("variants", "lengths"), measuring)


def measure(_config: Config, model: Config, train: Config) -> None:
    path = COMMAND.measure(_config)
    costs = load(path, ScalingCosts)
    print_costs(costs, path)
    print_growth(costs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: ``swarmformer bench scaling``."""
    parser = command_parser("bench scaling", __doc__)

    def run() -> None:
        words = assignments(parser, arguments, "with variants=[base,enhanced] lengths=[256,1024]")
        run_command_line(make_experiment("scaling", COMMAND.defaults, COMMAND.resolve, measure), words)

    return logged_exit_status(run, "stopped; no costs.json was written")


if __name__ == "__main__":
    sys.exit(main())
