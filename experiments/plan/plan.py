"""From a grid file to a plan: every arm resolved, built without weights, and priced, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from swarmformer import records
from swarmformer.errors import SpecError, suggest
from swarmformer.once import once
from swarmformer.records import TRIALS, PlannedCell, PlannedTrial, TuningPlan
from swarmformer.spec import RunSpec
from swarmformer.yaml import display

from ..cells import cell_folder, stem_of
from ..plan.arms import Arm, Arms, with_channels_told
from ..plan.grid_file import GridSpec, read_grid
from ..plan.tune import Values
from ..planned import source_of


@dataclass(frozen=True)
class Cell:
    """One arm with one seed. ``run_key``: of its specification. ``tried``: the values of a trial, which only tunes."""

    arm: str
    spec: RunSpec
    run_key: str
    tried: Values | None = None

    @property
    def is_trial(self) -> bool:
        return self.tried is not None

    def folder(self, grid: Path) -> Path:
        """Where it is, or will be, in a grid's folder."""
        return cell_folder(grid / TRIALS if self.is_trial else grid, self.arm, self.spec, self.run_key)

    def record(self, grid: Path) -> PlannedCell:
        name = self.folder(grid).name
        return PlannedCell(cell=name, arm=self.arm, seed=self.spec.seed, run_key=self.run_key)


@dataclass(frozen=True)
class Plan:
    """A grid that can be run: all of it builds.

    ``designs``, ``matched`` and ``source`` are as in plan.json: the designs with the levels of their arms, the pairs
    with the ratios that were found, what the files were that it was made of.
    """

    name: str
    grid: GridSpec
    arms: tuple[Arm, ...]
    designs: tuple[records.Design, ...] = ()
    matched: tuple[records.Matched, ...] = ()
    source: str = ""

    @property
    def open_arms(self) -> list[str]:
        """Arms whose values are not chosen yet."""
        return [arm.name for arm in self.arms if arm.is_open]

    @property
    def metric(self) -> records.TrialMetric:
        """What trials are judged by, on the validation split: the metric that the grid decides by."""
        return self.grid.primary.metric if self.grid.primary else "accuracy"

    @property
    def size(self) -> int:
        """How many runs are to count."""
        return len(self.arms) * len(self.grid.seeds)

    def cells(self) -> Iterator[Cell]:
        """Runs that count and whose values are known; seeds outermost, so that every prefix is a balanced table."""
        for seed in self.grid.seeds:
            for arm in self.arms:
                if not arm.is_open:
                    yield arm_cell(arm, seed)

    def cells_by_arm(self, only: str | None = None) -> Iterator[list[Cell]]:
        """The same, together for each arm; of all arms or of one."""
        for arm in self.arms:
            if not arm.is_open and only in (None, arm.name):
                yield [arm_cell(arm, seed) for seed in self.grid.seeds]

    def trials(self) -> Iterator[Cell]:
        """What tunes: every candidate of every arm with every tuning seed, seeds outermost, then candidates."""
        if (tune := self.grid.tune) is None:
            return
        for seed in tune.seeds:
            for place in range(len(list(tune.combinations()))):
                for arm in self.arms:
                    candidate, key = arm.candidates[place], self._trial_keys[arm.name][place]
                    yield Cell(arm.name, candidate.trial(tune, seed), key, candidate.values)

    @cached_property
    def _trial_keys(self) -> dict[str, list[str]]:
        """Arm → the run key of each candidate's trials, the same for every seed."""
        tune = self.grid.tune
        return {} if tune is None else {
            arm.name: [one.trial(tune, tune.seeds[0]).run_key for one in arm.candidates] for arm in self.arms
        }  # fmt: skip

    def with_choice(self, tuning: records.Tuning) -> Plan:
        """The plan with the chosen values; an arm all of whose trials failed stays open."""
        chosen = {arm.arm: arm.chosen for arm in tuning.arms}
        places = [(arm, chosen.get(arm.name)) for arm in self.arms]
        with once():
            arms = with_channels_told(arm if n is None else arm.with_choice(n) for arm, n in places)
            return replace(self, arms=arms)

    def record(self, folder: Path) -> records.Plan:
        """The content of plan.json in this grid's folder."""
        cells = tuple(self._planned(arm, seed, folder) for seed in self.grid.seeds for arm in self.arms)
        return records.Plan(
            grid=self.name,
            description=self.grid.description,
            base=self.grid.base,
            seeds=tuple(self.grid.seeds),
            designs=self.designs,
            matched=self.matched,
            primary=self.grid.primary.record() if self.grid.primary else None,
            tuning=self._tuning(folder),
            arms=tuple(arm.record() for arm in self.arms),
            cells=cells,
            source=self.source,
        ).hashed()

    def _planned(self, arm: Arm, seed: int, folder: Path) -> PlannedCell:
        if arm.is_open:
            return PlannedCell(cell=stem_of(arm.name, seed), arm=arm.name, seed=seed, run_key="")
        return arm_cell(arm, seed).record(folder)

    def _tuning(self, folder: Path) -> TuningPlan | None:
        if (tune := self.grid.tune) is None:
            return None
        trials = tuple(PlannedTrial(**dict(cell.record(folder)), values=cell.tried or {}) for cell in self.trials())
        return TuningPlan(
            options={key: tuple(values) for key, values in tune.values.items()},
            seeds=tuple(tune.seeds),
            metric=self.metric,
            epochs=tune.epochs,
            trials=trials,
        )


def arm_cell(arm: Arm, seed: int) -> Cell:
    """A run of an arm that counts."""
    return Cell(arm.name, arm.spec.model_copy(update={"seed": seed}), arm.run_key)


def load_plan(path: Path) -> Plan:
    """Read, resolve and build a grid.

    Raises:
        SpecError: at the first fault, naming the grid file, the arm and the key.
    """
    with once():
        return _load_plan(path)


def _load_plan(path: Path) -> Plan:
    where, source, grid = display(path), source_of(path), read_grid(path)
    arms = Arms(grid, where)
    _check_base(grid, arms.written(), where)  # before they are built, which takes long where they are many
    designs = [arms.design(number) for number in range(len(grid.designs))]
    arms.listed()
    _check_whole(grid, arms.all(), where)
    matched = tuple(_matched(grid, arms.all(), where))
    return Plan(path.stem, grid, with_channels_told(arms.all()), tuple(designs), matched, source)


def _check_whole(grid: GridSpec, arms: list[Arm], where: str) -> None:
    if grid.floors and len({arm.spec.data.task.model_dump_json() for arm in arms}) > 1:
        raise SpecError(f"{where}: floors: the arms have different tasks; write floors: false, or one grid per task")
    if len({str(arm.spec.data.out_of_domain) for arm in arms}) > 1:
        raise SpecError(f"{where}: data.out_of_domain: the arms differ in it; ask all of them the same")
    _check_base(grid, [arm.name for arm in arms], where)  # an arm that two designs have keeps the name in the first


def _check_base(grid: GridSpec, names: list[str], where: str) -> None:
    if grid.base is not None and grid.base not in names:
        raise SpecError(f"{where}: base: {grid.base!r} is not one of the arms.{suggest(grid.base, names)}")


def _matched(grid: GridSpec, arms: list[Arm], where: str) -> Iterator[records.Matched]:
    prices = {arm.name: (arm.parameters, arm.flops) for arm in arms}
    for number, pair in enumerate(grid.matched):
        try:
            yield pair.check(prices)
        except SpecError as error:
            raise SpecError(f"{where}: matched[{number}]: {error}") from error
