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
from pathlib import Path

from pydantic import Field

from swarmformer.cli.command import assignments, command_parser
from swarmformer.contracts import Strict
from swarmformer.cost.passes import Mode
from swarmformer.cost.precision import Precision
from swarmformer.cost.timing import torch_threads
from swarmformer.environment import resolve_device
from swarmformer.merge import nest

from .measure.benchmark_settings import AtLeastOne, check_keys
from .measure.cost_table import print_costs, print_growth
from .measure.measured import new_folder, write_costs_json, write_start
from .measure.scaling_rows import Growth
from .progress import logged_exit_status
from .store import Config, make_experiment, run_command_line

DEFAULTS: Config = {
    "variants": [
        "base",
        "base+windowed",
        "base+multi_head",
        "base+routing",
        "base+routing+neighbours",
        "base+gated_mlp",
        "base+layer_norm",
        "base+tied_qkv",
        "base+pyramid",
        "base+gumbel",
        "enhanced",
        "enhanced+neighbours",
    ],
    "lengths": [256, 768, 4096, 16384],
    "batch": 1,
    "threads": 1,
    "precision": "fp32",
    "mode": "forward",
    "budget_s": 300.0,
    "call_s": 30.0,
    "min_repeats": 5,
    "device": "auto",
    "runs": "runs/scaling",
    "name": "scaling",
    "seed": 0,
    "model": {},
    "train": {},
}
SECTIONS = ("model", "train")


class Settings(Strict):
    """The keys that are no section."""

    variants: list[str] = Field(min_length=1)
    lengths: list[AtLeastOne] = Field(min_length=2)
    batch: AtLeastOne
    threads: AtLeastOne
    precision: Precision
    mode: Mode
    budget_s: float = Field(gt=0)
    call_s: float = Field(gt=0)
    min_repeats: AtLeastOne
    device: str
    runs: str
    name: str
    seed: int = Field(ge=0)


def resolve(config: Config) -> Config:
    """The configuration checked: every variant can be read, and the folder is free."""
    settings, patch = _checked(config)
    folder = new_folder(settings.runs, settings.name)
    Growth(settings.model_dump(), patch, resolve_device(settings.device))
    return {**settings.model_dump(), **patch, "folder": str(folder)}


def _checked(config: Config) -> tuple[Settings, Config]:
    settings = check_keys(config, DEFAULTS, Settings, ("variants", "lengths"))
    return settings, nest({key: config[key] for key in SECTIONS})


def measure(_config: Config, model: Config, train: Config) -> None:
    # Sacred keeps what the command line said, lists in a shell's words among it: check once more.
    settings, patch = _checked({key: _config[key] for key in DEFAULTS})
    device, folder = resolve_device(settings.device), Path(_config["folder"])
    growth = Growth(settings.model_dump(), patch, device)
    with torch_threads(settings.threads):
        write_start(folder, {**settings.model_dump(), **patch}, device)
        growth.run()
        write_costs_json(
            folder,
            device=device,
            threads=settings.threads,
            limits={(settings.threads, settings.precision): growth.limits},
            rows=growth.rows,
            missing=growth.missing,
            growth=growth.exponents(),
        )
    print_costs(folder / "costs.json")
    print_growth(folder / "costs.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: ``swarmformer bench scaling``."""
    parser = command_parser("bench scaling", __doc__)

    def run() -> None:
        words = assignments(parser, arguments, "with variants=[base,enhanced] lengths=[256,1024]")
        run_command_line(make_experiment("scaling", DEFAULTS, resolve, measure), words)

    return logged_exit_status(run, "stopped; no costs.json was written")


if __name__ == "__main__":
    sys.exit(main())
