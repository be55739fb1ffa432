"""Where the time of a training step at small width goes: ``python -m experiments.speed.profile --out FOLDER``.

Steps of ``base`` and ``base+windowed`` on 64 texts of 256 tokens in fp32, dropout and optimiser included, as the
figures of ``small width`` have them, are timed, then profiled by operator (``torch.profiler``), and written to
``profile.json``. Some minutes on two cores, on which nothing else should run.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from torch.profiler import ProfilerActivity, profile

from swarmformer.cli.command import command_parser, exit_status, words_of
from swarmformer.code import library_code, start
from swarmformer.cost.timing import torch_threads
from swarmformer.environment import device_name
from swarmformer.errors import SpecError
from swarmformer.ops.memory import keep_freed_memory
from swarmformer.records import PROFILE, OperatorTime, Profile, StepProfile, save

from .command import allocator
from .narrow import BATCH, CPU, LENGTH, VARIANTS, training_step

WARM_UP = 2
"""Steps that do not count: the first makes the optimiser's state."""


def profiled(variant: str, width: int, threads: int, steps: int, batch: int = BATCH) -> StepProfile:
    """Of one variant at one width."""
    with torch_threads(threads):
        step, _ = training_step(variant, width, batch)
        for _ in range(WARM_UP):
            step()
        seconds = [_timed(step) for _ in range(steps)]
        with profile(activities=[ProfilerActivity.CPU]) as found:
            under = [_timed(step) for _ in range(steps)]
    times = [
        OperatorTime(operator=event.key, seconds=event.self_cpu_time_total / 1e6 / steps, calls=event.count / steps)
        for event in found.key_averages()
    ]
    return StepProfile(
        variant=variant, width=width, threads=threads, batch=batch, length=LENGTH, steps=steps, seconds=median(seconds),
        profiled_s=sum(under) / steps, operators=tuple(sorted(times, key=lambda time: -time.seconds)),
    )  # fmt: skip


def _timed(step: Callable[[], object]) -> float:
    begun = perf_counter()
    step()
    return perf_counter() - begun


def measure(widths: Sequence[int], threads: Sequence[int], steps: int, batch: int = BATCH) -> Profile:
    """Every variant at every width with every number of threads."""
    begun, kept = start(CPU, library_code()), keep_freed_memory()  # as training does
    rows = list[StepProfile]()
    for variant, width, count in itertools.product(VARIANTS, widths, threads):
        rows.append(profiled(variant, width, count, steps, batch))
        print(f"{variant}, width {width}, threads {count}: {1e3 * rows[-1].seconds:.0f} ms a step", flush=True)
    return Profile(start=begun, device=device_name(CPU), allocator=allocator(kept=kept), rows=tuple(rows))


def write(folder: Path, found: Callable[[], Profile]) -> None:
    """Raises SpecError where the folder holds a measurement already, before anything is measured."""
    if (folder / PROFILE).exists():
        raise SpecError(f"{folder} holds a measurement already; choose another --out, or move it away")
    measured = found()
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / PROFILE, measured)
    print(folder / PROFILE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 1 or 130 with a message where it was refused or stopped."""
    parser = command_parser("speed.profile", __doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=10)

    def run() -> None:
        options = parser.parse_args(words_of(arguments))
        write(options.out, lambda: measure(options.widths, options.threads, options.steps))

    return exit_status(run, "stopped; nothing was written")


if __name__ == "__main__":
    sys.exit(main())
