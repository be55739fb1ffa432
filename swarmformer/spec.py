"""What a run is: ModelSpec, DataSpec, TrainSpec, RunSpec. Strict, frozen, hashable by ``run_key``.

A specification is made from plain mappings by ``from_dict`` (unknown keys, wrong types and values out
of range are refused, with the place of the key) and goes back by ``to_dict``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from swarmformer import registry, train_section
from swarmformer.contracts import Dims, Model, Strict
from swarmformer.data.batching import bucket_lengths
from swarmformer.data.cut import Where
from swarmformer.errors import SpecError, suggest
from swarmformer.merge import Tree
from swarmformer.once import kept_by
from swarmformer.run_key import Content, content_of, departures, digest, part_content
from swarmformer.schema import Locate, check_options, dotted, options_of, validate
from swarmformer.train_section import TrainBudget, departing, short_names, spread

SPEC_VERSION = 2
"""Part of every run key: raise it when the meaning of a specification changes, or a default of data or training."""


CHANNEL, NO_CHANNEL = "channel", "none"
PLAIN: dict[str, Any] = {"precision": "fp32", "compile": False}
"""What the word ``auto`` of training may stand for on any machine."""
NONE: tuple[Any, ...] = (NO_CHANNEL, {"name": NO_CHANNEL})
"""How to say that a model has no channel."""


def nowhere(path: tuple[str, ...]) -> str:
    """A ``Locate`` for values that come from Python code, not from a file."""
    return ""


class ComponentSpec(Strict):
    """What fills a slot: by name, with all its options, defaults filled in."""

    slot: str
    name: str
    options: dict[str, Any] = {}

    @classmethod
    def from_dict(cls, slot: str, value: Any, path: tuple[str, ...], locate: Locate) -> ComponentSpec:
        """``{"name": …, option: …}`` or a bare name → checked specification."""
        given = {"name": value} if isinstance(value, str) else dict(_mapping(value, path, locate))
        name = given.pop("name", None)
        place = f"{locate(path)}{dotted(path)}: "
        if not isinstance(name, str):
            raise SpecError(f"{place}needs a 'name'; available: {_names(slot)}")
        component = registry.get(slot, name, place)
        return cls(slot=slot, name=name, options=check_options(component, given, path, locate))

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, **self.options}

    def key_content(self, *, versions: bool = True) -> Content:
        return part_content(self.slot, self.name, self.options, versions=versions)


class ModelSpec(Strict):
    """A model: its family, its sizes, a component for each of its slots, its own options, and a channel beside it."""

    name: str
    dims: Dims
    slots: dict[str, ComponentSpec] = {}
    options: dict[str, Any] = {}
    channel: ComponentSpec | None = None

    @classmethod
    def from_dict(cls, value: Any, locate: Locate = nowhere, path: tuple[str, ...] = ("model",)) -> ModelSpec:
        """Check a mapping of ``name``, ``dims``, an entry per slot, the model's options, and ``channel`` (or ``none``).

        Raises:
            SpecError: naming the file, the key and the nearest names.
        """
        given = dict(_mapping(value, path, locate))
        name = given.pop("name", "swarmformer")
        family: type[Model] = registry.get("model", name, f"{locate((*path, 'name'))}{dotted((*path, 'name'))}: ")
        sizes = _mapping(_take(given, "dims", path, locate), (*path, "dims"), locate)
        dims = validate(Dims, sizes, (*path, "dims"), locate)
        slots = {
            slot: ComponentSpec.from_dict(slot, _filling(family, slot, given, path, locate), (*path, slot), locate)
            for slot in family.slots
        }
        beside, place = given.pop(CHANNEL, NO_CHANNEL), (*path, CHANNEL)
        channel = None if beside in NONE else ComponentSpec.from_dict(CHANNEL, beside, place, locate)
        _refuse_unknown(given, family, path, locate)
        options = check_options(family, given, path, locate)
        return cls(name=name, dims=dims, slots=slots, options=options, channel=channel)

    def to_dict(self) -> dict[str, Any]:
        slots = {slot: spec.to_dict() for slot, spec in self.slots.items()}
        channel = {CHANNEL: self.channel.to_dict()} if self.channel else {}
        return {"name": self.name, "dims": self.dims.model_dump(), **slots, **self.options, **channel}

    def key_content(self, *, versions: bool = True) -> Content:
        own = part_content("model", self.name, self.options, versions=versions)
        usual = registry.get("model", self.name).default_slots  # type: ignore[attr-defined]
        parts = {slot: spec.key_content(versions=versions) for slot, spec in self.slots.items()}
        departing = {slot: part for slot, part in parts.items() if part != {"name": usual.get(slot)}}
        channel = {CHANNEL: self.channel.key_content(versions=versions)} if self.channel else {}
        return {**own, "dims": self.dims.model_dump(), "slots": departing, **channel}


class DataSpec(Strict):
    """Task, tokenizer, split and batches."""

    task: ComponentSpec = Field(description="what is learned, by name with the task's own options")
    tokenizer: str = Field(
        "bert",
        description="`bert`, `bytes`, or the path of a tokenizer.json; tasks with a vocabulary of their own ignore it",
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="share of train that becomes validation, where the source has no such split"
    )
    split_seed: int | Literal["run"] = Field(
        0, description="of that cut, and of what is added to train; `run`: the run's own seed (Bouthillier et al. 2021)"
    )
    stratify: bool = Field(False, description="draw the same share of every class for validation")
    duplicates: Literal["keep", "drop"] = Field(
        "keep", description="what becomes of training texts that also stand in validation or test"
    )
    augment: dict[str, ComponentSpec] = Field(
        {}, description="augmentations of training texts with their options, by name; null leaves one out, or all"
    )
    buckets: int = Field(4, ge=1, le=16, description="fixed lengths that batches are padded to")
    pad_to_max: bool = Field(False, description="pad every text to `model.dims.seq_len`")
    cut: Where = Field("head", description="what is kept of texts longer than `model.dims.seq_len`")
    cut_share: float = Field(0.25, ge=0, le=1, description="of `head_tail`: the share that is the beginning")

    @classmethod
    def from_dict(cls, value: Any, locate: Locate = nowhere, path: tuple[str, ...] = ("data",)) -> DataSpec:
        given = dict(_mapping(value, path, locate))
        task = ComponentSpec.from_dict("task", _take(given, "task", path, locate), (*path, "task"), locate)
        augment = _augment(given.pop("augment", {}), (*path, "augment"), locate)
        known = [name for name in cls.model_fields if name != "task"]
        plain = validate(_DataOptions, given, path, locate, known)
        return cls(task=task, **{**plain.model_dump(), "augment": augment})

    def to_dict(self) -> dict[str, Any]:
        augment = {name: dict(part.options) for name, part in self.augment.items()}
        return {**self.model_dump(), "task": self.task.to_dict(), "augment": augment}

    @property
    def called(self) -> str:
        """What reports call the task: its title where it was given one, else its name."""
        return self.task.options.get("title") or self.task.name

    def draw(self, seed: int) -> dict[str, Any]:
        """How the splits of a run with this seed are drawn, as ``swarmformer.data.split.load_splits`` takes it."""
        redrawn = self.split_seed == "run"
        return {
            "validation_fraction": self.validation_fraction, "split_seed": seed if redrawn else self.split_seed,
            "redrawn": redrawn, "drop_copies": self.duplicates == "drop", "stratify": self.stratify,
        }  # fmt: skip

    def key_content(self, *, versions: bool = True) -> Content:
        """Without what has no effect beside the rest."""
        idle: dict[str, Any] = {} if self.cut == "head_tail" else {"cut_share": 0.25}
        idle |= {"buckets": 1, "pad_to_max": False} if self.pad_to_max else {}
        return departures(self.model_copy(update=idle), versions=versions)


class _DataOptions(DataSpec):
    task: ClassVar[None] = None  # type: ignore[assignment, misc]


def _augment(value: Any, path: tuple[str, ...], locate: Locate) -> dict[str, ComponentSpec]:
    """``{"name": {option: …}}`` → checked specifications by name; null leaves one out, or all."""
    given = {} if value is None else dict(_mapping(value, path, locate))
    return {
        name: ComponentSpec.from_dict("text_augmentation", {"name": name, **options}, (*path, name), locate)
        for name, options in sorted(
            (name, _mapping(options, (*path, name), locate)) for name, options in given.items() if options is not None
        )
    }


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
        given = {"name": value} if isinstance(value, str) else dict(_mapping(value, path, locate))
        if train_section.STAGES in given:
            raise SpecError(f"{locate(path)}{dotted((*path, train_section.STAGES))}: a stage has no stages")
        name, place = given.get("name"), f"{locate(path)}{dotted(path)}: "
        if not isinstance(name, str):
            raise SpecError(f"{place}needs a 'name'; available: {_names('stage')}")
        family = registry.get("stage", name, place)
        names = ("name", *(option.name for option in options_of(family, registry.leading_of("stage", family))))
        stage = ComponentSpec.from_dict("stage", {k: given.pop(k) for k in names if k in given}, path, locate)
        own = family.usual  # type: ignore[attr-defined]
        given |= {slot: _or_usual(given.get(slot, {}), ingredient) for slot, ingredient in own.items()}
        usual = {key: value for key, value in train.to_dict().items() if key != train_section.STAGES}
        tree = Tree(copy.deepcopy(usual))
        tree.merge(spread(given, usual, path, locate), "")
        changed = TrainSpec.from_dict(tree.values, locate, path).to_dict()
        changes = departing(changed, usual) | {slot: changed[slot] for slot in own}
        return cls(name=stage.name, options=stage.options, changes=changes)

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, **self.options, **self.changes}

    def key_content(self, *, versions: bool = True) -> Content:
        own = part_content("stage", self.name, self.options, versions=versions)
        kept = {key: value for key, value in self.changes.items() if key not in TrainSpec.OUTSIDE_KEY}
        kept |= {key: value for key, value in PLAIN.items() if kept.get(key) == "auto"}  # one key, as in TrainSpec
        for slot in train_section.USUAL.keys() & kept.keys():
            if "name" in kept[slot]:
                part = ComponentSpec.from_dict(slot, kept[slot], (slot,), nowhere)
                kept[slot] = part.key_content(versions=versions)
        return {**own, "changes": kept} if kept else own


def _or_usual(value: Any, name: str) -> Any:
    """What is given for an ingredient; where it is not named, the one of this name is meant."""
    return {"name": name, **value} if isinstance(value, Mapping) else value


def _usual_stage() -> StageSpec:
    stage = ComponentSpec.from_dict("stage", "supervised", (train_section.STAGES,), nowhere)
    return StageSpec(name=stage.name, options=stage.options)


def _ingredient(slot: str) -> Any:
    return Field(default_factory=lambda: ComponentSpec.from_dict(slot, train_section.USUAL[slot], (slot,), nowhere))


class TrainSpec(TrainBudget):
    """Budget, objective, optimiser, augmentation, and the stages that may set each of these anew."""

    objective: ComponentSpec = _ingredient("objective")
    optimiser: ComponentSpec = _ingredient("optimiser")
    augmentation: ComponentSpec = _ingredient("augmentation")
    stages: tuple[StageSpec, ...] = Field(default_factory=lambda: (_usual_stage(),))

    OUTSIDE_KEY: ClassVar[frozenset[str]] = frozenset({"checkpoint_seconds", "micro_batch", "tf32"})
    """Fields that cannot change a result, but for which random numbers it draws and how sums are rounded."""

    @classmethod
    def from_dict(cls, value: Any, locate: Locate = nowhere, path: tuple[str, ...] = ("train",)) -> TrainSpec:
        """Check a mapping of the budget, the ingredients, their options in short, and the stages.

        Raises:
            SpecError: all faults, naming the file, the key and the nearest names.
        """
        given = spread(_mapping(value, path, locate), {}, path, locate)
        short = short_names(given, {}, path, locate)
        parts = {slot: given.pop(slot, name) for slot, name in train_section.USUAL.items()}
        stages = given.pop(train_section.STAGES, None)
        budget, *specs = all_of(
            lambda: validate(TrainBudget, given, path, locate, [*train_section.KEYS, *short]),
            *(partial(ComponentSpec.from_dict, slot, part, (*path, slot), locate) for slot, part in parts.items()),
        )
        train = cls(**budget.model_dump(), **dict(zip(parts, specs, strict=True)))
        return train if stages is None else train.model_copy(update={"stages": train._staged(stages, path, locate)})

    def key_content(self, *, versions: bool = True) -> Content:
        """``auto`` has the key of fp32 and of what is not compiled, as how it is computed is the machine's choice: a
        run's records say how it was, and keep runs apart by its precision."""
        chosen = {key: "auto" for key, value in PLAIN.items() if getattr(self, key) == value}
        return departures(self.model_copy(update=chosen), versions=versions)

    def _staged(self, value: Any, path: tuple[str, ...], locate: Locate) -> tuple[StageSpec, ...]:
        place = (*path, train_section.STAGES)
        if not isinstance(value, list | tuple) or not value:
            raise SpecError(f"{locate(place)}{dotted(place)}: expected a list, of {_names('stage')}; got {value!r}")
        return tuple(StageSpec.from_dict(stage, self, (*place, str(n)), locate) for n, stage in enumerate(value))

    def to_dict(self) -> dict[str, Any]:
        budget = {name: getattr(self, name) for name in TrainBudget.model_fields}
        parts = {slot: getattr(self, slot).to_dict() for slot in train_section.USUAL}
        return {**budget, **parts, train_section.STAGES: [stage.to_dict() for stage in self.stages]}

    @kept_by(lambda self, stage: (self.model_dump_json(), stage.model_dump_json()))
    def of_stage(self, stage: StageSpec) -> TrainSpec:
        """The section as this stage, one of its own, has it."""
        tree = Tree(self.to_dict())
        tree.merge(stage.changes, "")
        own = {key: value for key, value in tree.values.items() if key != train_section.STAGES}
        alone = StageSpec(name=stage.name, options=stage.options)
        return TrainSpec.from_dict(own).model_copy(update={"stages": (alone,)})


def all_of(*parts: Callable[[], Any]) -> list[Any]:
    """What each gives, or all their faults at once."""
    results, faults = [], []
    for part in parts:
        try:
            results.append(part())
        except SpecError as error:
            faults.append(str(error))
    if faults:
        raise SpecError("\n".join(faults))
    return results


Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""What every generator takes that is seeded with it; numpy's takes 32 bits."""


class RunSpec(Strict):
    """One training run. ``variant`` is its readable name; the specification itself is what counts."""

    variant: str
    model: ModelSpec
    data: DataSpec
    train: TrainSpec
    seed: Seed = 0

    @property
    def run_key(self) -> str:
        """16 hex digits over all that changes a result and departs from its default; not seed, device and names.

        What a tokenizer or data file contains is not in it but in the data key (``EncodedData.key``).
        """
        sections = {name: _content_of(getattr(self, name)) for name in ("model", "data", "train")}
        return digest({"version": SPEC_VERSION, **sections})

    @property
    def padded_lengths(self) -> tuple[int, ...]:
        """The fixed lengths that batches are padded to, rising; the last is seq_len."""
        limit = self.model.dims.seq_len
        return (limit,) if self.data.pad_to_max else bucket_lengths(limit, self.data.buckets)

    def to_dict(self) -> dict[str, Any]:
        """Sections ``model``, ``data``, ``train``; variant and seed stand beside them."""
        return {
            "variant": self.variant,
            "seed": self.seed,
            "model": self.model.to_dict(),
            "data": self.data.to_dict(),
            "train": self.train.to_dict(),
        }

    @classmethod
    def from_dict(cls, value: Any, locate: Locate = nowhere) -> RunSpec:
        """Inverse of ``to_dict``.

        Raises:
            SpecError: a section that is missing, unknown or at fault.
        """
        given = dict(_mapping(value, (), locate))
        model = ModelSpec.from_dict(_take(given, "model", (), locate), locate)
        data = DataSpec.from_dict(_take(given, "data", (), locate), locate)
        train = TrainSpec.from_dict(_take(given, "train", (), locate), locate)
        name = validate(RunName, given, (), locate)
        return cls(variant=name.variant, seed=name.seed, model=model, data=data, train=train)


@kept_by(lambda section: (type(section), section.model_dump_json()))
def _content_of(section: Strict) -> Content:
    content: Content = content_of(section)
    return content


class RunName(Strict):
    """What stands beside the sections of a run."""

    variant: str
    seed: Seed


def _mapping(value: Any, path: tuple[str, ...], locate: Locate) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SpecError(f"{locate(path)}{dotted(path)}: expected a mapping of options, got {value!r}")
    return value


def _take(given: dict[str, Any], key: str, path: tuple[str, ...], locate: Locate) -> Any:
    if key not in given:
        raise SpecError(f"{locate(path)}{dotted((*path, key))}: missing")
    return given.pop(key)


def _filling(family: type[Model], slot: str, given: dict[str, Any], path: tuple[str, ...], locate: Locate) -> Any:
    """What is given for a slot; where it names no component, or nothing is given, the slot's default is meant."""
    usual = family.default_slots.get(slot)
    if usual is None:
        return _take(given, slot, path, locate)
    value = given.pop(slot, usual)
    return {"name": usual, **value} if isinstance(value, Mapping) else value


def _names(slot: str) -> str:
    return ", ".join(entry.name for entry in registry.list_components(slot))


def _refuse_unknown(given: Mapping[str, Any], family: type[Model], path: tuple[str, ...], locate: Locate) -> None:
    options = [option.name for option in options_of(family, registry.leading_of("model", family))]
    known = ["name", "dims", *family.slots, *options, CHANNEL]
    for key in given:
        if key not in options:
            place = (*path, str(key))
            raise SpecError(
                f"{locate(place)}{dotted(place)}: unknown slot or option of this model.{suggest(str(key), known)} "
                f"Slots: {', '.join(family.slots) or 'none'}. Options: {', '.join(options) or 'none'}"
            )
