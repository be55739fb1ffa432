"""Variants, factors and grids by name: shipped ones, those of installed packages, those of folders of one's own.

All lie in folders of one layout: ``NAME.yaml`` is a variant, ``factors.yaml`` has factors, ``grids/NAME.yaml`` is a
grid. A package declares its folder as an entry point of group ``swarmformer.variants``, whose value is the folder's
dotted path (``my_package.variants``; nothing is imported); ``SWARMFORMER_VARIANTS`` names folders of one's own.
No name is shadowed: one that is taken cannot be used, and says by whom.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from swarmformer.errors import SpecError, suggest
from swarmformer.once import kept_by
from swarmformer.settings import VARIANTS_VARIABLE, variant_dirs
from swarmformer.yaml import display, read_yaml

GROUP = "swarmformer.variants"
FACTORS = "factors"
BUILT_IN = "built-in"
Kind = Literal["variant", "factor", "grid"]


@dataclass(frozen=True)
class Item:
    """Something that has a name. ``fault`` says why it cannot be used; ``factor`` is a factor's own mapping."""

    kind: Kind
    name: str
    origin: str
    path: Path
    fault: str | None = None
    factor: dict[str, Any] | None = None


@dataclass(frozen=True)
class Folder:
    """Where names come from. ``fault`` says why the folder cannot be read."""

    origin: str
    variants: Path
    grids: Path
    fault: str | None = None


def variants_dir() -> Path:
    """The folder of shipped variants: in the wheel, or beside the package in a checkout."""
    return _shipped("_variants", "variants")


def _shipped(packed: str, checkout: str) -> Path:
    package = Path(__file__).parent
    inside = package / packed
    return inside if inside.is_dir() else package.parent / checkout


def folders() -> list[Folder]:
    """Built-in first, then those of packages, then those of the setting."""
    shipped = Folder(BUILT_IN, variants_dir(), _shipped("experiments/grids", "experiments/grids"))
    return [shipped, *_of_packages(), *_of_setting()]


@cache
def _of_packages() -> tuple[Folder, ...]:
    return tuple(_of_package(point) for point in entry_points(group=GROUP))


def _of_package(point: EntryPoint) -> Folder:
    """Found without importing: a package of components is imported only when one of them is asked for."""
    origin = f"{point.dist.name} {point.dist.version} ({point.value})" if point.dist else point.value
    top, *rest = point.value.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    for place in spec.submodule_search_locations or () if spec else ():
        if (folder := Path(place, *rest)).is_dir():
            return Folder(origin, folder, folder / "grids")
    return Folder(origin, Path(point.value), Path(point.value), f"{point.value} is no folder of an installed package")


def _of_setting() -> Iterator[Folder]:
    for folder in variant_dirs():
        fault = None if folder.is_dir() else f"no folder {display(folder)}"
        yield Folder(f"{VARIANTS_VARIABLE}: {display(folder)}", folder, folder / "grids", fault)


@kept_by(lambda kind: kind)
def list_items(kind: Kind) -> list[Item]:
    """Everything of a kind, built-in first; what cannot be used is listed with its fault."""
    items = [item for folder in folders() if folder.fault is None for item in _items(folder, kind)]
    unique: dict[tuple[Path, str], Item] = {}  # one folder may be named twice
    for item in items:
        unique.setdefault((item.path.resolve(), item.name), item)
    return [_refused(item, list(unique.values())) for item in unique.values()]


def _items(folder: Folder, kind: Kind) -> Iterator[Item]:
    if kind == "factor":
        path = folder.variants / f"{FACTORS}.yaml"
        yield from _factors(path, folder.origin) if path.is_file() else ()
        return
    for path in sorted((folder.variants if kind == "variant" else folder.grids).glob("*.yaml")):
        if kind == "grid" or path.stem != FACTORS:
            yield Item(kind, path.stem, folder.origin, path)


def _factors(path: Path, origin: str) -> Iterator[Item]:
    try:
        factors = read_yaml(path)
    except SpecError as error:
        yield Item("factor", path.name, origin, path, str(error))
        return
    for name, factor in factors.items():
        whole = isinstance(factor, dict) and set(factor) == {"description", "patch"}
        whole = whole and isinstance(factor["patch"], dict)
        fault = f"{display(path)}: {name}: a factor has exactly a description and a patch, which is a mapping"
        yield Item("factor", name, origin, path, None if whole else fault, factor if whole else None)


def _refused(item: Item, items: list[Item]) -> Item:
    """The item with its fault, where its name is taken or cannot be written."""
    if item.origin == BUILT_IN or item.fault is not None:
        return item
    if item.kind != "grid" and set(item.name) & set("+-"):
        return replace(item, fault=f"{display(item.path)}: {item.name!r}: '+' and '-' add and take out factors, so a "
                       "name has neither; use '_'")  # fmt: skip
    rivals = [other.origin for other in items if other.name == item.name and other is not item]
    if rivals:
        return replace(item, fault=f"{item.kind} {item.name!r} of {item.origin} is also the name of one of "
                       f"{', '.join(rivals)}; rename one of them")  # fmt: skip
    return item


def find_item(kind: Kind, name: str, where: str = "") -> Item:
    """The item behind a name.

    Args:
        where: words for the error, saying where the name was written.

    Raises:
        SpecError: unknown, or of no use; says what there is and how to bring one's own.
    """
    items = list_items(kind)
    named = [item for item in items if item.name == name]
    for item in sorted(named, key=lambda item: item.fault is not None):
        if item.fault is not None:
            raise SpecError(f"{where}{item.fault}")
        return item
    names = [item.name for item in items if item.fault is None]
    raise SpecError(f"{where}unknown {kind} {name!r}.{suggest(name, names)} Available: {', '.join(names)}. "
                    f"{_own(kind)}{''.join(_faults())}")  # fmt: skip


def _own(kind: Kind) -> str:
    place = {"variant": "NAME.yaml", "factor": "factors.yaml", "grid": "grids/NAME.yaml"}[kind]
    by_path = "" if kind == "factor" else "give the path of a .yaml file; or "
    return (f"To use your own: {by_path}put {place} into a folder that {VARIANTS_VARIABLE} names; or into a package "
            f"that declares its folder in the entry-point group {GROUP!r}")  # fmt: skip


def _faults() -> Iterator[str]:
    for folder in folders():
        if folder.fault is not None:
            yield f"\n{folder.origin} cannot be read: {folder.fault}"
