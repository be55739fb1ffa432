"""From a grid file to a plan: every arm resolved, built without weights, and priced, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.cells import cell_name
from experiments.grid_file import ArmSpec, GridSpec, arms_of, read_grid, resolve_arm
from swarmformer.assembly import rehearse
from swarmformer.cost import ParameterCount, TextFlops, count_parameters, flops_of_text
from swarmformer.errors import DataError, SpecError
from swarmformer.spec import RunSpec
from swarmformer.variants import make_task
from swarmformer.yaml import display


@dataclass(frozen=True)
class Arm:
    """A resolved arm; ``spec`` has the first seed."""

    name: str
    spec: RunSpec
    parameters: ParameterCount
    flops: TextFlops

    def to_dict(self) -> dict[str, Any]:
        return {
            "arm": self.name,
            "variant": self.spec.variant,
            "run_key": self.spec.run_key,
            "parameters": dict(self.parameters),
            "flops": self.flops,
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
    where, grid = display(path), read_grid(path)
    arms = []
    for number, arm in enumerate(arms_of(grid)):
        try:
            arms.append(_build(grid, arm, where))
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


def _build(grid: GridSpec, arm: ArmSpec, where: str) -> Arm:
    spec = resolve_arm(grid, arm, where)
    model = rehearse(spec)
    make_task(spec.data).identity()  # raises where the data is missing
    return Arm(arm.name, spec, count_parameters(model), flops_of_text(model, spec.model.dims.seq_len))


def _check_distinct(arms: list[Arm], where: str) -> None:
    names: dict[str, str] = {}
    keys: dict[str, str] = {}
    for arm in arms:
        if arm.name in names:
            raise SpecError(f"{where}: arms: {arm.name!r} is given twice; give one of them another name")
        if arm.spec.run_key in keys:
            raise SpecError(f"{where}: arms: {arm.name!r} and {keys[arm.spec.run_key]!r} are the same configuration")
        names[arm.name] = keys[arm.spec.run_key] = arm.name
