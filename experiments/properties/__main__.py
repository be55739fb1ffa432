"""Measure what claims are decided by: ``python -m experiments.properties --out reports/results/properties``.

Some minutes on two CPU cores and up to 20 GB of memory; ``--batches 8`` measures memory at a smaller batch alone.

properties.json: code, packages, machine and device, and a list of rows for each property.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from swarmformer.cli.command import command_parser, exit_status, words_of
from swarmformer.code import library_code, start
from swarmformer.cost.timing import torch_threads
from swarmformer.environment import device_name
from swarmformer.errors import SpecError
from swarmformer.records import Properties, save

from ..execute.local import usable_threads
from ..properties import behaviour, sizes
from ..properties.memory import BATCHES, memory_rows

CPU = torch.device("cpu")


def measure(threads: int, batches: Sequence[int]) -> Properties:
    """Every property."""
    with torch_threads(threads):
        begun = start(CPU, library_code())
        found = {key: tuple(rows()) for key, rows in (behaviour.MEASUREMENTS | sizes.MEASUREMENTS).items()}
        memory, missing = memory_rows(threads, batches)
        return Properties(
            start=begun, device=device_name(CPU), threads=threads,
            **found, memory=tuple(memory), missing=tuple(missing),
        )  # fmt: skip


def write(folder: Path, threads: int, batches: Sequence[int]) -> None:
    """Raises SpecError where the folder holds a measurement already."""
    if (folder / "properties.json").exists():
        raise SpecError(f"{folder} holds a measurement already; choose another --out, or move it away")
    found = measure(threads, batches)
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / "properties.json", found)
    print(folder / "properties.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 1 or 130 with a message where it was refused or stopped."""
    parser = command_parser("properties", __doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=usable_threads())
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)

    def run() -> None:
        options = parser.parse_args(words_of(arguments))
        write(options.out, options.threads, options.batches)

    return exit_status(run, "stopped; nothing was written")


if __name__ == "__main__":
    sys.exit(main())
