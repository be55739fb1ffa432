"""TrainSpec, the section ``train``, and StageSpec, a stage of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from pydantic import Field

from swarmformer import registry
from swarmformer.contracts import Stage, Strict
from swarmformer.errors import SpecError
from swarmformer.merge import Tree
from swarmformer.once import kept_by
from swarmformer.run_key import Content, departures, part_content
from swarmformer.schema import Locate, all_of, dotted, options_of, validate

from .budget import TrainBudget
from .component import ComponentSpec, mapping, names_of, nowhere
from .short_names import KEYS, STAGES, USUAL, departing, short_names, spread

PLAIN: dict[str, Any] = {"precision": "fp32", "compile": False}
"""What the word ``auto`` of training may stand for on any machine."""


IDLE: dict[str, tuple[Any, str]] = {"min_epochs": (0, "patience"), "ema_warmup": (False, "ema_decay")}
"""Key → its default, and the key without which it does nothing."""


class StageSpec(Strict):
    """A stage by name with its options, and what it sets otherwise than the section ``train`` it stands in."""

    name: str
    options: dict[str, Any] = {}
    changes: dict[str, Any] = {}

    @classmethod
    def from_dict(cls, value: Any, train: TrainSpec, path: tuple[str, ...], locate: Locate) -> StageSpec:
        """``{"name": …, option or key of train: …}`` or a bare name; of the keys, those are kept that change something.

        Raises:
            SpecError: naming the file, the key and the nearest names.
        """
        given = {"name": value} if isinstance(value, str) else dict(mapping(value, path, locate))
        if STAGES in given:
            raise SpecError(f"{locate(path)}{dotted((*path, STAGES))}: a stage has no stages")
        name, place = given.get("name"), f"{locate(path)}{dotted(path)}: "
        if not isinstance(name, str):
            raise SpecError(f"{place}needs a 'name'; available: {names_of('stage')}")
        family = registry.get("stage", name, place)
        names = ("name", *(option.name for option in options_of(family, registry.leading_of("stage", family))))
        stage = ComponentSpec.from_dict("stage", {k: given.pop(k) for k in names if k in given}, path, locate)
        own = family.usual  # type: ignore[attr-defined]
        given |= {slot: _or_usual(given.get(slot, {}), ingredient) for slot, ingredient in own.items()}
        usual = {key: value for key, value in train.to_dict().items() if key != STAGES}
        tree = Tree(copy.deepcopy(usual))
        tree.merge(spread(given, usual, path, locate), "")
        changed = TrainSpec.from_dict(tree.values, locate, path).to_dict()
        changes = departing(changed, usual) | {slot: changed[slot] for slot in own}
        return cls(name=stage.name, options=stage.options, changes=changes)

    def make(self) -> Stage:
        """A new one with these options."""
        stage: Stage = registry.get("stage", self.name)(**self.options)
        return stage

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, **self.options, **self.changes}

    def key_content(self, *, versions: bool = True) -> Content:
        own = part_content("stage", self.name, self.options, versions=versions)
        kept = {key: value for key, value in self.changes.items() if key not in TrainSpec.OUTSIDE_KEY}
        kept |= {key: value for key, value in PLAIN.items() if kept.get(key) == "auto"}  # one key, as in TrainSpec
        for slot in USUAL.keys() & kept.keys():
            if "name" in kept[slot]:
                part = ComponentSpec.from_dict(slot, kept[slot], (slot,), nowhere)
                kept[slot] = part.key_content(versions=versions)
        return {**own, "changes": kept} if kept else own


def _or_usual(value: Any, name: str) -> Any:
    """What is given for an ingredient; where it is not named, the one of this name is meant."""
    return {"name": name, **value} if isinstance(value, Mapping) else value


def _usual_stage() -> StageSpec:
    stage = ComponentSpec.from_dict("stage", "supervised", (STAGES,), nowhere)
    return StageSpec(name=stage.name, options=stage.options)


def _ingredient(slot: str) -> Any:
    return Field(default_factory=lambda: ComponentSpec.from_dict(slot, USUAL[slot], (slot,), nowhere))


class TrainSpec(TrainBudget):
    """Budget, objective, optimiser, augmentation, and the stages that may set each of these anew."""

    objective: ComponentSpec = _ingredient("objective")
    optimiser: ComponentSpec = _ingredient("optimiser")
    augmentation: ComponentSpec = _ingredient("augmentation")
    stages: tuple[StageSpec, ...] = Field(default_factory=lambda: (_usual_stage(),))

    OUTSIDE_KEY: ClassVar[frozenset[str]] = frozenset({"capture", "checkpoint_seconds", "micro_batch", "tf32"})
    """Fields that cannot change a result, but for which random numbers it draws and how sums are rounded."""

    @classmethod
    def from_dict(cls, value: Any, locate: Locate = nowhere, path: tuple[str, ...] = ("train",)) -> TrainSpec:
        """Check a mapping of the budget, the ingredients, their options in short, and the stages.

        Raises:
            SpecError: all faults, naming the file, the key and the nearest names.
        """
        given = spread(mapping(value, path, locate), {}, path, locate)
        short = short_names(given, {}, path, locate)
        parts = {slot: given.pop(slot, name) for slot, name in USUAL.items()}
        stages = given.pop(STAGES, None)
        budget, *specs = all_of(
            lambda: validate(TrainBudget, given, path, locate, [*KEYS, *short]),
            *(partial(ComponentSpec.from_dict, slot, part, (*path, slot), locate) for slot, part in parts.items()),
        )
        train = cls(**budget.model_dump(), **dict(zip(parts, specs, strict=True)))
        return train if stages is None else train.model_copy(update={"stages": train._staged(stages, path, locate)})

    def key_content(self, *, versions: bool = True) -> Content:
        """``auto`` has the key of fp32 and of what is not compiled, as how it is computed is the machine's choice: a
        run's records say how it was, and keep runs apart by its precision. What has no effect beside the rest is left
        out. What the only stage sets is as if the section did."""
        if len(self.stages) == 1 and self.stages[0].changes:
            return self.of_stage(self.stages[0]).key_content(versions=versions)
        chosen: dict[str, Any] = {key: "auto" for key, value in PLAIN.items() if getattr(self, key) == value}
        chosen |= {key: default for key, (default, needed) in IDLE.items() if not self._sets(needed)}
        return departures(self.model_copy(update=chosen), versions=versions)

    def idle(self) -> Iterator[str]:
        """The keys that are set and do nothing beside the rest, of the section and its stages, with what they need."""
        for key, (default, needed) in IDLE.items():
            if getattr(self, key) != default and not self._sets(needed):
                yield f"train.{key} does nothing without train.{needed}: set that too, or leave it out"
            for n, stage in enumerate(self.stages):
                if stage.changes.get(key, default) != default and not stage.changes.get(needed, getattr(self, needed)):
                    key_of_stage = f"train.{STAGES}.{n}.{key}"
                    yield f"{key_of_stage} does nothing without {needed} in that stage: set that too, or leave it out"

    def _sets(self, key: str) -> bool:
        """Whether the section or one of its stages does."""
        return bool(getattr(self, key) or any(stage.changes.get(key) for stage in self.stages))

    def _staged(self, value: Any, path: tuple[str, ...], locate: Locate) -> tuple[StageSpec, ...]:
        place = (*path, STAGES)
        if not isinstance(value, list | tuple) or not value:
            raise SpecError(f"{locate(place)}{dotted(place)}: expected a list, of {names_of('stage')}; got {value!r}")
        return tuple(StageSpec.from_dict(stage, self, (*place, str(n)), locate) for n, stage in enumerate(value))

    def to_dict(self) -> dict[str, Any]:
        budget = {name: getattr(self, name) for name in TrainBudget.model_fields}
        parts = {slot: getattr(self, slot).to_dict() for slot in USUAL}
        return {**budget, **parts, STAGES: [stage.to_dict() for stage in self.stages]}

    @kept_by(lambda self, stage: (self.model_dump_json(), stage.model_dump_json()))
    def of_stage(self, stage: StageSpec) -> TrainSpec:
        """The section as this stage, one of its own, has it."""
        tree = Tree(self.to_dict())
        tree.merge(stage.changes, "")
        own = {key: value for key, value in tree.values.items() if key != STAGES}
        alone = StageSpec(name=stage.name, options=stage.options)
        return TrainSpec.from_dict(own).model_copy(update={"stages": (alone,)})
