"""Named configurations: one YAML file each, written as a diff on another, plus named factors.

``base+windowed+layer_norm`` is the variant ``base`` with the patches ``windowed`` and ``layer_norm`` of
``factors.yaml``; ``enhanced-windowed`` is the variant ``enhanced`` without one of the factors that it lists.
A variant file has ``description``, ``base``, ``factors`` (laid over the base) and any of ``model``,
``data``, ``train`` (laid over both).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmformer import registry
from swarmformer.assembly import assemble_without_weights
from swarmformer.catalogue import BUILT_IN, find_item, list_items
from swarmformer.data.augment import Augmentations, Chosen, check_text
from swarmformer.data.task import Task
from swarmformer.errors import SpecError, suggest
from swarmformer.merge import Tree, leaves
from swarmformer.once import kept_by
from swarmformer.rehearsal import check_ingredients
from swarmformer.schema import validate
from swarmformer.sections.data import called
from swarmformer.sections.short_names import spread
from swarmformer.spec import DataSpec, ModelSpec, RunName, RunSpec, TrainSpec
from swarmformer.yaml import display, read_yaml

TRAIN = "train"
SECTIONS = ("model", "data", TRAIN)
BESIDE = ("base", "description", "factors")
NAME = re.compile(r"(?P<first>.*\.ya?ml|[^+-]*)(?P<changes>([+-][^+-]*)*)", re.DOTALL)
Override = tuple[Mapping[str, Any], str]
"""A nested patch and the words for its source ("command line", "grids/demo.yaml: arms.base")."""


@dataclass
class Variant:
    """A resolved variant before the task is known: merged sections with the source of each key."""

    name: str
    description: str
    tree: Tree

    def model_spec(self) -> ModelSpec:
        return ModelSpec.from_dict(self.tree.values.get("model", {}), self.tree.locate)


def list_variants() -> list[str]:
    """Names of the variants that can be used: the shipped ones first."""
    return [item.name for item in list_items("variant") if item.fault is None]


def load_factors() -> dict[str, dict[str, Any]]:
    """Named patches: factor → {"description", "patch"}, the shipped ones first.

    Raises:
        SpecError: the shipped ones cannot be read; those of others are left out where they cannot.
    """
    factors = list_items("factor")
    for item in factors:
        if item.fault is not None and item.origin == BUILT_IN:
            raise SpecError(item.fault)
    return {item.name: item.factor for item in factors if item.fault is None and item.factor is not None}


def load_variant(name: str, overrides: Sequence[Override] = ()) -> Variant:
    """Read a variant by name or path, with factors added (``+factor``) or taken out (``-factor``).

    Args:
        name: ``base``, ``mine.yaml``, ``base+windowed``, ``enhanced-windowed+positions``.
        overrides: patches laid over it, in order.

    Raises:
        SpecError: unknown variant or factor, factors that set the same key to different values, a factor
            that is there already or cannot be taken out, a cycle of bases, an unknown section.
    """
    loaded = _named(name, Path.cwd())
    tree = loaded.tree.copy()
    for patch, source in overrides:
        _lay_sections(tree, patch, source)
    return Variant(name, loaded.description, tree)


@kept_by(lambda name, folder: (name, folder))
def _named(name: str, folder: Path) -> Variant:
    match = NAME.fullmatch(name)
    assert match is not None, "the pattern takes every text"
    changes = re.findall(r"([+-])([^+-]*)", match["changes"])
    laying = _Laying(name, without=[factor for sign, factor in changes if sign == "-"])
    description = laying.file(_find(match["first"], folder), [])
    for sign, factor in changes:
        if sign == "+":
            laying.factor(factor)
    laying.check_all_taken_out()
    added = "".join(f" {sign} {load_factors()[factor]['description']}" for sign, factor in changes)
    return Variant(name, description + added, laying.tree)


@dataclass
class _Laying:
    """Files and factors laid one over the other."""

    name: str
    without: list[str]
    tree: Tree = field(default_factory=Tree)
    setters: dict[tuple[str, ...], tuple[str, Any]] = field(default_factory=dict)
    laid: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def file(self, path: Path, above: list[Path]) -> str:
        """Lay the chain of bases, lowest first; returns the top file's description."""
        path = path.resolve()
        if path in above:
            chain = " → ".join(display(p) for p in [*above, path])
            raise SpecError(f"{display(above[0])}: base: the variants form a cycle: {chain}")
        content = read_yaml(path)
        base, factors = content.pop("base", None), content.pop("factors", [])
        description = content.pop("description", "")
        if base is not None:
            if not isinstance(base, str):
                raise SpecError(f"{display(path)}: base: expected the name of a variant, got {base!r}")
            self.file(_find(base, path.parent), [*above, path])
        if not isinstance(factors, list) or not all(isinstance(factor, str) for factor in factors):
            raise SpecError(f"{display(path)}: factors: expected a list of names, got {factors!r}")
        for factor in factors:
            self.factor(factor, f"{display(path)}: factors: ")
        _lay_sections(self.tree, content, display(path), beside=BESIDE)
        return str(description)

    def factor(self, factor: str, where: str = "") -> None:
        item = find_item("factor", factor, where)
        patch = (item.factor or {})["patch"]
        if factor in self.laid:
            raise SpecError(f"{where}{self.name!r}: factor {factor!r} is there already")
        if where and factor in self.without:
            self.left_out.append(factor)
            return
        self._refuse_clash(factor, patch)
        self.laid.append(factor)
        _lay_sections(self.tree, patch, f"{display(item.path)} ({factor})")

    def _refuse_clash(self, factor: str, patch: Mapping[str, Any]) -> None:
        """The last would win in silence, and the name would promise both."""
        for path, value in leaves(patch):
            for other, (owner, set_before) in self.setters.items():
                overlap = path[: len(other)] == other or other[: len(path)] == path
                if overlap and (path, value) != (other, set_before):
                    raise SpecError(f"{self.name!r}: factors {owner!r} and {factor!r} both set {'.'.join(path)}")
            self.setters[path] = factor, value

    def check_all_taken_out(self) -> None:
        for factor in self.without:
            if factor in self.laid:
                raise SpecError(f"{self.name!r}: puts factor {factor!r} in and takes it out: leave out both")
            if factor not in self.left_out:
                there = ", ".join([*self.laid, *self.left_out]) or "none"
                raise SpecError(f"{self.name!r}: has no factor {factor!r} to take out; its factors: {there}")


def _find(name: str, folder: Path) -> Path:
    if name.endswith((".yaml", ".yml")):
        path = folder / name
        if not path.is_file():
            raise SpecError(f"no variant file {display(path)}")
        return path
    return find_item("variant", name).path


def _lay_sections(tree: Tree, patch: Mapping[str, Any], source: str, beside: tuple[str, ...] = ()) -> None:
    for key, value in patch.items():
        if key not in SECTIONS:
            known = (*SECTIONS, *beside)
            raise SpecError(f"{source}: {key}: unknown section.{suggest(key, known)} Known: {', '.join(known)}")
        if not isinstance(value, Mapping):
            raise SpecError(f"{source}: {key}: expected a mapping of options, got {value!r}")
    if TRAIN in patch:
        below = tree.values.get(TRAIN, {})
        patch = {**patch, TRAIN: spread(patch[TRAIN], below, (TRAIN,), lambda path: f"{source}: ")}
    tree.merge(patch, source)


def resolve_run(variant: str, overrides: Sequence[Override] = (), seed: int = 0) -> RunSpec:
    """A complete, checked run: variant, overrides, and the sizes that the task dictates.

    ``model.dims.vocab_size`` and ``num_classes`` follow from the task; an override that contradicts
    it is refused.
    """
    name = validate(RunName, {"variant": variant, "seed": seed})
    tree = load_variant(name.variant, overrides).tree
    if "task" not in tree.values.get("data", {}):
        tasks = ", ".join(entry.name for entry in registry.list_components("task"))
        raise SpecError(f"variant {variant!r} names no task: set data.task (available: {tasks})")
    data = DataSpec.from_dict(tree.values["data"], tree.locate)
    model = ModelSpec.from_dict(tree.values.get("model", {}), tree.locate)
    model = _fit_to_task(model, data, tree, [source for _, source in overrides])
    with tree.located():
        check_text(make_task(data), data.task.name, data.augment)
    train = TrainSpec.from_dict(tree.values.get(TRAIN, {}), tree.locate)
    with tree.located():
        assemble_without_weights(model)
        check_ingredients(train, model.dims)
    return RunSpec(variant=name.variant, model=model, data=data, train=train, seed=name.seed)


def make_task(data: DataSpec) -> Task:
    """The task of a data specification."""
    task: Task = data.task.make()
    return task


def make_out_of_domain(data: DataSpec) -> dict[str, Task]:
    """The other tasks of a data specification, by what reports call them."""
    return {called(other): other.make() for other in data.out_of_domain}


def make_augmentations(data: DataSpec) -> Augmentations:
    """The text augmentations of a data specification, by name."""
    return {
        name: Chosen(part.make(), part.key_content()) for name, part in data.augment.items()
    }


def _fit_to_task(model: ModelSpec, data: DataSpec, tree: Tree, overrides: Sequence[str]) -> ModelSpec:
    from swarmformer.data.tokenizer import vocab_size

    task = make_task(data)
    tokens = len(task.vocabulary) if task.vocabulary else vocab_size(data.tokenizer)
    sizes = {"vocab_size": tokens, "num_classes": task.num_answers(tokens)}
    for key, size in sizes.items():
        path = ("model", "dims", key)
        asked = getattr(model.dims, key)
        if asked != size and tree.source(path) in overrides:
            raise SpecError(
                f"{tree.locate(path)}{'.'.join(path)}: {asked}, but task {data.task.name!r} has {size}; leave it out"
            )
    return model.model_copy(update={"dims": model.dims.model_copy(update=sizes)})
