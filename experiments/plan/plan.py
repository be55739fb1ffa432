"""From a grid file to a plan: every arm resolved, built without weights, and priced, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarmformer import records
from swarmformer.errors import SpecError
from swarmformer.spec import RunSpec
from swarmformer.yaml import display

from ..cells import cell_folder
from ..plan.arms import Arm, Arms
from ..plan.grid_file import GridSpec, read_grid


@dataclass(frozen=True)
class Cell:
    """One arm with one seed."""

    arm: str
    spec: RunSpec

    def folder(self, grid: Path) -> Path:
        """Where it is, or will be, in a grid's folder."""
        return cell_folder(grid, self.arm, self.spec)


@dataclass(frozen=True)
class Plan:
    """A grid that can be run: all of it builds.

    ``designs`` and ``matched`` are as in plan.json: the designs with the levels of their arms, the pairs with the
    ratios that were found.
    """

    name: str
    grid: GridSpec
    arms: tuple[Arm, ...]
    designs: tuple[records.Design, ...] = ()
    matched: tuple[records.Matched, ...] = ()

    def cells(self) -> Iterator[Cell]:
        """Seeds outermost, so that every prefix of the work is a balanced table."""
        for seed in self.grid.seeds:
            for arm in self.arms:
                yield Cell(arm.name, arm.spec.model_copy(update={"seed": seed}))

    def record(self, folder: Path) -> records.Plan:
        """The content of plan.json in this grid's folder."""
        cells = tuple(
            records.PlannedCell(
                cell=cell.folder(folder).name, arm=cell.arm, seed=cell.spec.seed, run_key=cell.spec.run_key
            )
            for cell in self.cells()
        )
        return records.Plan(
            grid=self.name,
            description=self.grid.description,
            base=self.grid.base,
            seeds=tuple(self.grid.seeds),
            designs=self.designs,
            matched=self.matched,
            primary=self.grid.primary.record() if self.grid.primary else None,
            arms=tuple(arm.record() for arm in self.arms),
            cells=cells,
        ).hashed()


def load_plan(path: Path) -> Plan:
    """Read, resolve and build a grid.

    Raises:
        SpecError: at the first fault, naming the grid file, the arm and the key.
    """
    where, grid = display(path), read_grid(path)
    arms = Arms(grid, where)
    designs = [arms.design(number) for number in range(len(grid.designs))]
    arms.listed()
    _check_whole(grid, arms.all(), where)
    return Plan(path.stem, grid, tuple(arms.all()), tuple(designs), tuple(_matched(grid, arms.all(), where)))


def _check_whole(grid: GridSpec, arms: list[Arm], where: str) -> None:
    if grid.floors and len({arm.spec.data.task.model_dump_json() for arm in arms}) > 1:
        raise SpecError(f"{where}: floors: the arms have different tasks; write floors: false, or one grid per task")
    if grid.base is not None and grid.base not in {arm.name for arm in arms}:
        raise SpecError(f"{where}: base: {grid.base!r} is not one of the arms")
    if len(set(grid.seeds)) < len(grid.seeds):
        raise SpecError(f"{where}: seeds: a seed is given twice")


def _matched(grid: GridSpec, arms: list[Arm], where: str) -> Iterator[records.Matched]:
    prices = {arm.name: (arm.parameters, arm.flops) for arm in arms}
    for number, pair in enumerate(grid.matched):
        try:
            yield pair.check(prices)
        except SpecError as error:
            raise SpecError(f"{where}: matched[{number}]: {error}") from error
