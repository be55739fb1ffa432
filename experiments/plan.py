"""From a grid file to a plan: every arm resolved, built without weights, and priced, before anything runs.

A grid file (YAML) has::

    description: what is asked
    base: base                      # the arm that the others are compared with (optional)
    arms:                           # variant names, or mappings with a patch of their own
      - base
      - base+windowed
      - {name: wide, variant: base, model: {dims: {d_model: 256}}}
    seeds: [0, 1, 2]
    model: {…}  data: {…}  train: {…}   # patches laid over every arm
    floors: true                    # majority, NB-SVM and the task's trivial predictors
    latency: {batches: [1, 32], budget_s: 30}
    keep_weights: false
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from experiments.cells import cell_name
from swarmformer.assembly import assemble_without_weights, rehearse
from swarmformer.cost.parameters import ParameterCount, count_parameters
from swarmformer.errors import DataError, SpecError
from swarmformer.interfaces import Strict
from swarmformer.schema import validate
from swarmformer.spec import RunSpec, Seed
from swarmformer.variants import make_task, resolve_run
from swarmformer.yaml import display, read_yaml

SECTIONS = ("model", "data", "train")
Patch = dict[str, Any]


class Latency(Strict):
    """Batch sizes to time, and the seconds to spend on it."""

    batches: list[Annotated[int, Field(gt=0)]] = Field(default=[1, 32], min_length=1)
    budget_s: float = Field(default=30.0, gt=0)


class ArmSpec(Strict):
    """An arm that is more than the name of a variant."""

    name: str = Field(min_length=1)
    variant: str
    model: Patch = {}
    data: Patch = {}
    train: Patch = {}


class GridSpec(Strict):
    """A grid file as written; the module's docstring explains the keys."""

    description: str = ""
    base: str | None = None
    arms: list[str | ArmSpec] = Field(min_length=1)
    seeds: list[Seed] = Field(min_length=1)
    model: Patch = {}
    data: Patch = {}
    train: Patch = {}
    floors: bool = True
    latency: Latency | None = Latency()
    keep_weights: bool = False


@dataclass(frozen=True)
class Arm:
    """A resolved arm; ``spec`` has the first seed."""

    name: str
    spec: RunSpec
    parameters: ParameterCount
    flops: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "arm": self.name,
            "variant": self.spec.variant,
            "run_key": self.spec.run_key,
            "parameters": dict(self.parameters),
            "flops": {"forward": self.flops, "length": self.spec.model.dims.seq_len},
        }


@dataclass(frozen=True)
class Cell:
    """One arm with one seed."""

    arm: str
    spec: RunSpec

    @property
    def name(self) -> str:
        return cell_name(self.arm, self.spec)


@dataclass(frozen=True)
class Plan:
    """A grid that can be run: all of it builds."""

    name: str
    grid: GridSpec
    arms: tuple[Arm, ...]

    def cells(self) -> Iterator[Cell]:
        """Seeds outermost, so that every prefix of the work is a balanced table."""
        for seed in self.grid.seeds:
            for arm in self.arms:
                yield Cell(arm.name, arm.spec.model_copy(update={"seed": seed}))

    def to_dict(self) -> dict[str, Any]:
        """The content of plan.json."""
        cells = [
            {"cell": cell.name, "arm": cell.arm, "seed": cell.spec.seed, "run_key": cell.spec.run_key}
            for cell in self.cells()
        ]
        return {
            "grid": self.name,
            "description": self.grid.description,
            "base": self.grid.base,
            "seeds": self.grid.seeds,
            "arms": [arm.to_dict() for arm in self.arms],
            "cells": cells,
        }


def load_plan(path: Path) -> Plan:
    """Read, resolve and build a grid.

    Raises:
        SpecError: at the first fault, naming the grid file, the arm and the key.
    """
    where = display(path)
    grid = validate(GridSpec, read_yaml(path), (), lambda key: f"{where}: ")
    arms = []
    for number, entry in enumerate(grid.arms):
        arm = entry if isinstance(entry, ArmSpec) else ArmSpec(name=entry, variant=entry)
        try:
            arms.append(_resolve(grid, arm, where))
        except (SpecError, DataError) as error:
            raise SpecError(f"{where}: arms[{number}] ({arm.name}): {error}") from error
    _check_distinct(arms, where)
    if grid.floors and len({arm.spec.data.task.model_dump_json() for arm in arms}) > 1:
        raise SpecError(f"{where}: floors: the arms have different tasks; write floors: false, or one grid per task")
    if grid.base is not None and grid.base not in {arm.name for arm in arms}:
        raise SpecError(f"{where}: base: {grid.base!r} is not one of the arms")
    if len(set(grid.seeds)) < len(grid.seeds):
        raise SpecError(f"{where}: seeds: a seed is given twice")
    return Plan(path.stem, grid, tuple(arms))


def _resolve(grid: GridSpec, arm: ArmSpec, where: str) -> Arm:
    patches = [
        ({section: getattr(grid, section) for section in SECTIONS}, where),
        ({section: getattr(arm, section) for section in SECTIONS}, f"{where} ({arm.name})"),
    ]
    spec = resolve_run(arm.variant, patches, seed=grid.seeds[0])
    rehearse(spec)
    make_task(spec.data).identity()  # raises where the data is missing
    model = assemble_without_weights(spec.model)
    return Arm(arm.name, spec, count_parameters(model), model.flops(1, spec.model.dims.seq_len))


def _check_distinct(arms: list[Arm], where: str) -> None:
    names: dict[str, str] = {}
    keys: dict[str, str] = {}
    for arm in arms:
        if arm.name in names:
            raise SpecError(f"{where}: arms: {arm.name!r} is given twice; give one of them another name")
        if arm.spec.run_key in keys:
            raise SpecError(f"{where}: arms: {arm.name!r} and {keys[arm.spec.run_key]!r} are the same configuration")
        names[arm.name] = keys[arm.spec.run_key] = arm.name
