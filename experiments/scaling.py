"""How cost grows with length: ``swarmformer bench scaling with variants=[base,base+windowed] lengths=[256,768]``.

FLOPs, seconds and peak memory of a pass at every length, with fitted exponents; all variants and lengths are
timed in the same rounds. The defaults are what the claims of the enhanced model are about: every enhancement,
alone and together, at 256 to 16,384 tokens. Keys: variants (the first is what the others are compared with),
lengths, batch, threads, precision, mode (forward or training), budget_s (seconds to time), call_s (a pass that
takes longer is missing), min_repeats, device, runs, name, seed, and any key below model and train.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from swarmformer.cli.command import assignments, command_parser

from .measure.command import CostCommand
from .measure.cost_table import print_costs, print_growth
from .measure.scaling_rows import Growth, Settings
from .progress import logged_exit_status
from .store import Config, make_experiment, run_command_line

COMMAND = CostCommand(Settings, ("model", "train"), ("variants", "lengths"), Growth)


def measure(_config: Config, model: Config, train: Config) -> None:
    path = COMMAND.measure(_config)
    print_costs(path)
    print_growth(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: ``swarmformer bench scaling``."""
    parser = command_parser("bench scaling", __doc__)

    def run() -> None:
        words = assignments(parser, arguments, "with variants=[base,enhanced] lengths=[256,1024]")
        run_command_line(make_experiment("scaling", COMMAND.defaults, COMMAND.resolve, measure), words)

    return logged_exit_status(run, "stopped; no costs.json was written")


if __name__ == "__main__":
    sys.exit(main())
