"""The arms of a grid, designed and listed: resolved, built without weights, and priced."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from swarmformer import records
from swarmformer.contracts import Component, Model, tells_order
from swarmformer.cost import counted
from swarmformer.cost.epoch import flops_of_text
from swarmformer.cost.parts import count_parameters
from swarmformer.errors import DataError, SpecError
from swarmformer.once import kept_by
from swarmformer.rehearsal import rehearse
from swarmformer.spec import ComponentSpec, DataSpec, ModelSpec, RunSpec
from swarmformer.testing.soundness import unsound_parts
from swarmformer.variants import make_task

from ..plan.design import Levels, levels_of, resolution_of, variant_of
from ..plan.grid_file import ArmSpec, GridSpec, arms_of, candidates_of, designed_arms, resolve_arm
from ..plan.tune import Candidate

NO_TRUNK = "channel: beside no arm without it, so that what it adds cannot be told"
NO_CHANNEL = "channel: beside no arm that is the channel alone, so that it may hide what the model adds"
BLIND = "model: blind to the order of tokens, which this task asks about (see the factor positions)"


@dataclass(frozen=True)
class Arm:
    """A resolved arm; ``spec`` has the first seed.

    candidates: what is tried first where the grid tunes. is_open: nothing is chosen yet, and ``spec`` is that of the
    first candidate. place: where it was written, for errors ("grids/demo.yaml: arms[0] (base)").
    """

    name: str
    spec: RunSpec
    parameters: records.Parameters
    flops: records.Flops
    candidates: tuple[Candidate, ...] = ()
    is_open: bool = False
    remarks: tuple[str, ...] = ()
    place: str = ""

    @cached_property
    def run_key(self) -> str:
        """Of its specification; the same for every seed."""
        return self.spec.run_key

    def with_choice(self, place: int) -> Arm:
        """The arm with the values of the candidate at ``place``."""
        spec = self.candidates[place].spec
        chosen = replace(self, spec=spec, is_open=False)
        if spec.model == self.spec.model:
            return chosen
        model = rehearse(spec)
        parameters, flops = _priced(model)
        return replace(chosen, parameters=parameters, flops=flops, remarks=_remarks(model, spec))

    def record(self) -> records.PlannedArm:
        return records.PlannedArm(
            arm=self.name,
            variant=self.spec.variant,
            run_key="" if self.is_open else self.run_key,
            parameters=self.parameters,
            flops=self.flops,
            remarks=self.remarks,
        )


def with_channels_told(arms: Iterable[Arm]) -> tuple[Arm, ...]:
    """The arms, those with a channel told whether the grid lacks the model without it, or the channel alone."""
    told = tuple(arms)
    trunks = [arm.spec.model for arm in told if arm.spec.model.channel is None]
    alone = [model.slots["channel"] for model in trunks if set(model.slots) == {"channel"}]
    return tuple(arm if arm.spec.model.channel is None else _told(arm, trunks, alone) for arm in told)


def _told(arm: Arm, trunks: list[ModelSpec], alone: list[ComponentSpec]) -> Arm:
    no_trunk = arm.spec.model.model_copy(update={"channel": None}) not in trunks
    lacks = (*[NO_TRUNK] * no_trunk, *[NO_CHANNEL] * (arm.spec.model.channel not in alone))
    return replace(arm, remarks=(*arm.remarks, *(one for one in lacks if one not in arm.remarks)))


class Arms:
    """Collects the arms of a grid, each configuration once; ``where`` names the file in errors."""

    def __init__(self, grid: GridSpec, where: str) -> None:
        self.grid, self.where = grid, where
        self.by_key: dict[str, Arm] = {}
        self.names: set[str] = set()

    def design(self, number: int) -> records.Design:
        """Add the arms of a design; those that another design has already keep its names.

        Returns:
            The design as plan.json has it.
        """
        design, place = self.grid.designs[number], f"designs[{number}]"
        levels, resolution = self._levels(number), resolution_of(design)
        built = [self._build(arm, place) for arm in designed_arms(design)]
        self._check_apart(built, place)
        names = [self._named(arm, place) for arm in built]
        by_levels = dict(zip(levels, names, strict=True))
        base = by_levels.get(tuple(design.factors) if design.kind == "one_out" else ())
        if base is None:
            raise SpecError(f"{self.where}: {place}: generators: no arm has all factors off, so there is no base")
        return records.Design(
            kind=design.kind,
            base=base,
            factors=tuple(design.factors),
            levels={name: tuple(on) for on, name in by_levels.items()},
            generators=design.generators,
            resolution=resolution,
        )

    def _levels(self, number: int) -> list[Levels]:
        try:
            return levels_of(self.grid.designs[number])
        except SpecError as error:
            raise SpecError(f"{self.where}: designs[{number}]: {error}") from error

    def written(self) -> list[str]:
        """The names of all arms, before any is built."""
        designs = enumerate(self.grid.designs)
        designed = [variant_of(design, on) for number, design in designs for on in self._levels(number)]
        return [*designed, *(arm.name for arm in arms_of(self.grid))]

    def listed(self) -> None:
        """Add the arms that are listed one by one."""
        for number, arm in enumerate(arms_of(self.grid)):
            built = self._build(arm, f"arms[{number}]")
            self._check_new(built)
            self._add(built)

    def all(self) -> list[Arm]:
        return list(self.by_key.values())

    def _build(self, arm: ArmSpec, place: str) -> Arm:
        written = f"{self.where}: {place} ({arm.name})"
        try:
            candidates = candidates_of(self.grid, arm, self.where)
            spec = candidates[0].spec if candidates else resolve_arm(self.grid, arm, self.where)
            for other in candidates[1:]:
                if other.spec.model != spec.model:
                    rehearse(other.spec)
            model = rehearse(spec)
            _check_there(spec.data)
        except (SpecError, DataError) as error:
            raise SpecError(f"{written}: {error}") from error
        return Arm(arm.name, spec, *_priced(model), candidates, bool(candidates), _remarks(model, spec), written)

    def _add(self, arm: Arm) -> str:
        self.names.add(arm.name)
        return self.by_key.setdefault(arm.run_key, arm).name

    def _named(self, arm: Arm, place: str) -> str:
        """Add the arm where it is new; its name."""
        if arm.run_key not in self.by_key and arm.name in self.names:
            raise SpecError(f"{self.where}: {place}: {arm.name!r} is another configuration in an earlier design; "
                            "give both designs the same patches, or write a grid for each")  # fmt: skip
        return self.by_key[arm.run_key].name if arm.run_key in self.by_key else self._add(arm)

    def _check_apart(self, built: list[Arm], place: str) -> None:
        names: dict[str, str] = {}
        for arm in built:
            twin = names.setdefault(arm.run_key, arm.name)
            if twin != arm.name:
                raise SpecError(
                    f"{self.where}: {place}: {arm.name!r} and {twin!r} are the same configuration, so that a factor "
                    "of this design changes nothing there; leave it out"
                )

    def _check_new(self, arm: Arm) -> None:
        if arm.name in self.names:
            raise SpecError(f"{self.where}: arms: {arm.name!r} is given twice; give one of them another name")
        twin = self.by_key.get(arm.run_key)
        if twin is not None:
            raise SpecError(f"{self.where}: arms: {arm.name!r} and {twin.name!r} are the same configuration")


@kept_by(lambda data: data.model_dump_json())
def _check_there(data: DataSpec) -> None:
    """Raise DataError where the data is missing."""
    make_task(data).identity()


@kept_by(lambda model: model.spec.model_dump_json())
def _priced(model: Model) -> tuple[records.Parameters, records.Flops]:
    return count_parameters(model), flops_of_text(model, model.dims.seq_len)


@kept_by(lambda model, spec: (model.spec.model_dump_json(), spec.data.model_dump_json()))
def _remarks(model: Model, spec: RunSpec) -> tuple[str, ...]:
    """Of all its components, each once: ``cluster: heads of 12 features, narrower than 32``, what their FLOPs leave out
    and which contracts they break; and what a task asks of the order of tokens that none of them sees."""
    parts = (part for part in (*model.modules(), *model.let_go) if isinstance(part, Component))
    said = dict.fromkeys(f"{part.slot}: {remark}" for part in parts for remark in part.remarks())
    said.update(dict.fromkeys((*counted.remarks_of(model), *unsound_parts(spec.model))))
    return (*said, *((BLIND,) if make_task(spec.data).of_places and not tells_order(model) else ()))
