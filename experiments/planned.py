"""A grid's plan as it lies on the disk: found, and known to be that of the grid file, without resolving anything.

Imports no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from swarmformer.catalogue import find_item, folders
from swarmformer.errors import SpecError
from swarmformer.records import PLAN, REGISTERED, Plan, Registration, UnreadableFileError, Value, load
from swarmformer.yaml import display


def grid_path(name: str) -> Path:
    """The file of a grid: a path (ending in .yaml), or the name of a grid that is shipped or of a plug-in.

    Raises:
        SpecError: no such grid.
    """
    return Path(name) if name.endswith((".yaml", ".yml")) else find_item("grid", name).path


def source_of(grid: Path) -> str:
    """SHA-256 over what a plan is made of: the grid file, and every file of variants and factors that it may name.

    Raises:
        SpecError: the grid file cannot be read.
    """
    digest = hashlib.sha256()
    places = [folder.variants for folder in folders() if folder.fault is None]
    variants = {path.resolve() for place in places for path in place.glob("*.yaml")}
    for path in (grid, *sorted(variants, key=lambda path: (path.name, str(path)))):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SpecError(f"{display(path)}: cannot be read: {error.strerror}") from None
        digest.update(f"{path.name} {len(content)} ".encode() + content)
    return digest.hexdigest()


def plan_on_disk(folder: Path, source: str | None = None) -> Plan | None:
    """The plan in a grid's folder: the one that was started, or else the registered one.

    Args:
        source: what it must have been made of, where that matters.

    None where there is none, or it is of other files, or cannot be read: then the grid file must be resolved.
    """
    for read in (_started, _registered):
        plan = read(folder)
        if plan is not None and source in (None, plan.source):
            return plan
    return None


def _started(folder: Path) -> Plan | None:
    with suppress(UnreadableFileError):
        return load(folder / PLAN, Plan)
    return None


def _registered(folder: Path) -> Plan | None:
    with suppress(UnreadableFileError):
        return load(folder / REGISTERED, Registration).plan
    return None


def values_said(values: Mapping[str, Value]) -> str:
    """``train.lr 0.001, train.warmup 0.1``"""
    return ", ".join(f"{key} {value}" for key, value in values.items())
