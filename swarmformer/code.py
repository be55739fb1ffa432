"""What counts as the same code: a hash over all sources that can change a result, and one for each plug-in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from swarmformer import registry
from swarmformer.environment import code_revision, describe
from swarmformer.records import Code, Start, Supplier
from swarmformer.source_code import hash_of, hash_of_supplier, short_hash, suppliers_of_class
from swarmformer.spec import ComponentSpec, ModelSpec, RunSpec, StageSpec, TrainSpec

LIBRARY = Path(__file__).resolve().parent
BESIDE = {
    "cli", "cost", "experiments", "export", "generation", "hub", "records", "reports", "serve", "testing", "_variants",
    "code.py", "data/kneser_ney.py", "data/next_token_baselines.py", "data/predictors.py", "environment.py",
    "extras.py", "long.py", "pipeline.py", "source_code.py", "variants.py",
}  # fmt: skip
"""Of the library, what measures, shows, stores and names: no result depends on it but through the run key, and the
precision that ``auto`` stands for, which is recorded."""


def library_code() -> Code:
    """Of what runs this library's own parts only."""
    return Code(hash=library_hash(), revision=code_revision())


def start(device: torch.device, code: Code, *, continued: bool = False) -> Start:
    """A start here and now, for environment.json."""
    facts = {"code_revision": code.revision, "code_hash": code.hash, "suppliers": code.suppliers, **describe(device)}
    return Start(started_at=datetime.now(UTC).isoformat(timespec="seconds"), continued=continued, **facts)


def code_of(spec: RunSpec, runner: Iterable[Path] = ()) -> Code:
    """The code of a run: this library with the files of whoever runs it, and beside it the suppliers of its parts.

    Apart, as an arm with a supplier is compared with one without: what both have must be alike.
    """
    own = short_hash(f"{library_hash()}\n{hash_once(tuple(runner))}")
    return Code(hash=own, revision=code_revision(), suppliers=suppliers_of(spec))


@cache
def library_hash() -> str:
    """Over the library's own sources, but for those ``BESIDE``; read once in a process."""
    paths = {path.relative_to(LIBRARY): path for path in LIBRARY.rglob("*.py")}
    return hash_of([path for at, path in paths.items() if not {at.parts[0], at.as_posix()} & BESIDE], below=LIBRARY)


@cache
def hash_once(files: tuple[Path, ...]) -> str:
    """``hash_of``, read once in a process: what runs is what was imported, whatever becomes of the files meanwhile."""
    return hash_of(files)


def suppliers_of(spec: BaseModel) -> tuple[Supplier, ...]:
    """Whoever outside this library supplied a part of a specification, by module."""
    supplied: dict[str, list[str]] = {}
    for slot, name in _parts(spec):
        for module in suppliers_of_class(registry.get(slot, name)):
            supplied.setdefault(module, []).append(f"{slot}.{name}")
    return tuple(_supplier(module, tuple(dict.fromkeys(parts))) for module, parts in sorted(supplied.items()))


def _parts(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, ComponentSpec):
        yield value.slot, value.name
    elif isinstance(value, BaseModel):
        if isinstance(value, ModelSpec | StageSpec):
            yield "model" if isinstance(value, ModelSpec) else "stage", value.name
        if isinstance(value, TrainSpec) and any(stage.changes for stage in value.stages):
            yield from _parts([value.of_stage(stage) for stage in value.stages])
        for name in type(value).model_fields:
            yield from _parts(getattr(value, name))
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _parts(part)


@cache
def _supplier(module: str, parts: tuple[str, ...]) -> Supplier:
    names = metadata.packages_distributions().get(module.partition(".")[0], [])
    version = metadata.version(names[0]) if names else ""
    return Supplier(module=module, parts=parts, distribution=names[0] if names else "", version=version,
                    hash=short_hash(hash_of_supplier(module)))  # fmt: skip
