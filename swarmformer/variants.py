"""Named configurations: one YAML file each, written as a diff on another, plus named factors.

``base+windowed+layer_norm`` is the variant ``base`` with the patches ``windowed`` and ``layer_norm`` of
``factors.yaml``. A variant file has ``description``, ``base`` and any of ``model``, ``data``, ``train``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmformer import registry
from swarmformer.assembly import assemble_without_weights
from swarmformer.data.task import Task
from swarmformer.errors import SpecError, suggest
from swarmformer.merge import Tree, leaves
from swarmformer.schema import validate
from swarmformer.spec import DataSpec, ModelSpec, RunName, RunSpec, TrainSpec
from swarmformer.yaml import display, read_yaml

SECTIONS = ("model", "data", "train")
FACTORS = "factors"
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


def variants_dir() -> Path:
    """The folder of shipped variants: in the wheel, or beside the package in a checkout."""
    package = Path(__file__).parent
    packed = package / "_variants"
    return packed if packed.is_dir() else package.parent / "variants"


def list_variants() -> list[str]:
    """Names of the shipped variants."""
    return sorted(path.stem for path in variants_dir().glob("*.yaml") if path.stem != FACTORS)


def load_factors() -> dict[str, dict[str, Any]]:
    """Named patches: factor → {"description", "patch"}."""
    factors = read_yaml(variants_dir() / f"{FACTORS}.yaml")
    for name, factor in factors.items():
        if not isinstance(factor, dict) or set(factor) != {"description", "patch"}:
            raise SpecError(f"{FACTORS}.yaml: {name}: a factor has exactly a description and a patch")
    return factors


def load_variant(name: str, overrides: Sequence[Override] = ()) -> Variant:
    """Read a variant by name, ``name+factor+…`` or path, and lay ``overrides`` over it.

    Raises:
        SpecError: unknown variant or factor, factors that set the same key, a cycle of bases, an
            unknown section.
    """
    first, *factors = name.split("+")
    tree = Tree()
    description = _lay(tree, _find(first, Path.cwd()), [])
    for factor, content in _chosen_factors(name, factors):
        description += f" + {content['description']}"
        _lay_sections(tree, content["patch"], f"variants/{FACTORS}.yaml ({factor})")
    for patch, source in overrides:
        _lay_sections(tree, patch, source)
    return Variant(name, description, tree)


def _chosen_factors(name: str, factors: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    known = load_factors() if factors else {}
    setter: dict[tuple[str, ...], str] = {}
    for factor in factors:
        if factor not in known:
            hint = suggest(factor, known)
            raise SpecError(f"unknown factor {factor!r} in {name!r}.{hint} Known: {', '.join(known)}")
        for path in leaves(known[factor]["patch"]):
            for other, owner in setter.items():  # the last would win in silence, and the name would promise both
                if owner != factor and (path[: len(other)] == other or other[: len(path)] == path):
                    raise SpecError(f"{name!r}: factors {owner!r} and {factor!r} both set {'.'.join(path)}")
            setter[path] = factor
        yield factor, known[factor]


def _find(name: str, folder: Path) -> Path:
    if name.endswith((".yaml", ".yml")):
        path = folder / name
        if not path.is_file():
            raise SpecError(f"no variant file {display(path)}")
        return path
    path = variants_dir() / f"{name}.yaml"
    if name == FACTORS or not path.is_file():
        names = list_variants()
        raise SpecError(
            f"unknown variant {name!r}.{suggest(name, names)} Available: {', '.join(names)}; "
            "or give the path of a .yaml file, or add factors with '+'"
        )
    return path


def _lay(tree: Tree, path: Path, above: list[Path]) -> str:
    """Merge the chain of bases, lowest first; returns the top file's description."""
    path = path.resolve()
    if path in above:
        chain = " → ".join(display(p) for p in [*above, path])
        raise SpecError(f"{display(above[0])}: base: the variants form a cycle: {chain}")
    content = read_yaml(path)
    base = content.pop("base", None)
    description = content.pop("description", "")
    if base is not None:
        if not isinstance(base, str):
            raise SpecError(f"{display(path)}: base: expected the name of a variant, got {base!r}")
        _lay(tree, _find(base, path.parent), [*above, path])
    _lay_sections(tree, content, display(path), beside=("base", "description"))
    return str(description)


def _lay_sections(tree: Tree, patch: Mapping[str, Any], source: str, beside: tuple[str, ...] = ()) -> None:
    for key, value in patch.items():
        if key not in SECTIONS:
            known = (*SECTIONS, *beside)
            raise SpecError(f"{source}: {key}: unknown section.{suggest(key, known)} Known: {', '.join(known)}")
        if not isinstance(value, Mapping):
            raise SpecError(f"{source}: {key}: expected a mapping of options, got {value!r}")
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
        assemble_without_weights(model)
    train = TrainSpec.from_dict(tree.values.get("train", {}), tree.locate)
    return RunSpec(variant=name.variant, model=model, data=data, train=train, seed=name.seed)


def make_task(data: DataSpec) -> Task:
    """The task of a data specification."""
    return registry.get("task", data.task.name)(**data.task.options)


def _fit_to_task(model: ModelSpec, data: DataSpec, tree: Tree, overrides: Sequence[str]) -> ModelSpec:
    from swarmformer.data.tokenizer import vocab_size

    task = make_task(data)
    sizes = {
        "vocab_size": len(task.vocabulary) if task.vocabulary else vocab_size(data.tokenizer),
        "num_classes": task.num_classes,
    }
    for key, size in sizes.items():
        path = ("model", "dims", key)
        asked = getattr(model.dims, key)
        if asked != size and tree.source(path) in overrides:
            raise SpecError(
                f"{tree.locate(path)}{'.'.join(path)}: {asked}, but task {data.task.name!r} has {size}; leave it out"
            )
    return model.model_copy(update={"dims": model.dims.model_copy(update=sizes)})
