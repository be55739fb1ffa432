"""Measure the figures: ``swarmformer bench quick`` (or ``full``), further keys as ``name=value``.

Keys: runs, name (the folder is runs/name; by default the next free one), threads (0 = all cores, or
OMP_NUM_THREADS), grid (time the demo grid too), keep_memory (all arms keep what they free, see
``swarmformer.ops.memory``), groups (of figures, by their titles in ``speed.depth``; all by default). ``quick`` takes
small samples and three repeats, under five minutes on two cores; ``full`` takes the sizes of the figures. Real texts
need SWARMFORMER_DATA. Where bf16 is slower than fp32, its arms are missing, with both rates as the reason.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field

from swarmformer.contracts import Strict
from swarmformer.cost.timing import torch_threads
from swarmformer.environment import describe_machine, device_name
from swarmformer.errors import SpecError
from swarmformer.ops.memory import SETTINGS
from swarmformer.records import FIGURES, SpeedBenchmark, save

from ..execute.local import usable_threads
from ..measure.command import begin, free_name, new_folder, sacred_words
from ..settings import as_list, check_keys, defaults_of
from ..speed.depth import DEPTHS, GROUPS
from ..speed.grid import grid_figure, measure_grid
from ..speed.measure import measure_groups
from ..speed.table import print_figures
from ..store import Config, make_experiment, run_command_line


class Settings(Strict):
    depth: Literal["quick", "full"] = "quick"
    runs: str = "runs/benchmark"
    name: str = ""
    threads: int = Field(0, ge=0)
    grid: bool = True
    keep_memory: bool = False
    groups: list[str] = []


def resolve(config: Config) -> Config:
    settings = check_keys(config, Settings, lists=("groups",))
    unknown = sorted(set(settings.groups) - set(GROUPS))
    if unknown:
        raise SpecError(f"command line: groups: unknown {', '.join(unknown)}; there are: {'; '.join(GROUPS)}")
    name = settings.name or free_name(settings.runs, settings.depth)
    return {**settings.model_dump(), "name": name, "folder": str(new_folder(settings.runs, name))}


def main(_config: Config) -> None:
    folder, threads = Path(_config["folder"]), _config["threads"] or usable_threads()
    depth, device = DEPTHS[_config["depth"]], torch.device("cpu")
    with torch_threads(threads):
        begun = begin(folder, {key: _config[key] for key in Settings.model_fields} | asdict(depth), device)
        found = measure_groups(_config["depth"], threads, _config["keep_memory"], as_list(_config["groups"]))
        name = device_name(device)
    grid = None
    if _config["grid"]:
        grid = measure_grid(
            folder / "grid", arms=depth.grid_arms, seeds=depth.grid_seeds, epochs=depth.grid_epochs,
            rounds=depth.grid_rounds,
        )  # fmt: skip
        found.figures.append(grid_figure(grid))
    speed = SpeedBenchmark(
        **begun,
        machine=describe_machine(),
        device=name,
        threads=threads,
        allocator=allocator(kept=_config["keep_memory"]),
        limits={precision: best.record() for precision, best in found.limits.items()},
        figures=tuple(found.figures),
        arms=tuple(found.arms),
        grid=grid,
        missing=tuple(found.missing),
    )
    save(folder / FIGURES, speed)
    print_figures(folder / FIGURES)


def allocator(*, kept: bool) -> str:
    """How freed memory is given back, which the published code's speed depends on."""
    own = [f"{name}={os.environ[name]}" for name in (*SETTINGS, "LD_PRELOAD") if name in os.environ]
    return " ".join(own) or ("freed memory kept" if kept else "as it comes")


def run_figures(depth: str, words: Sequence[str]) -> None:
    """What follows ``quick`` or ``full``: keys, and ``print_config`` to see them resolved, in sacred's words."""
    experiment = make_experiment("speed", defaults_of(Settings), resolve, main)
    run_command_line(experiment, sacred_words(words, f"depth={depth}"))
