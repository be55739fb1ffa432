"""What counts as the same code: a hash over the sources that can change a result, and one for each plug-in beside it.

Comments, docstrings, blank lines and trailing spaces are left out, so that words part no runs. What is left is hashed
as text: dumps of syntax trees and tokens of the standard library differ between versions of Python, and take seconds.
"""

from __future__ import annotations

import hashlib
import re
import sys
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
from swarmformer.spec import ComponentSpec, ModelSpec, RunSpec, StageSpec, TrainSpec

LIBRARY = Path(__file__).resolve().parent
BESIDE = {
    "cli", "cost", "experiments", "export", "generation", "hub", "records", "reports", "serve", "testing", "_variants",
    "code.py", "data/kneser_ney.py", "data/next_token_baselines.py", "data/predictors.py", "environment.py",
    "extras.py", "long.py", "pipeline.py", "variants.py",
}  # fmt: skip
"""Of the library, what measures, shows, stores and names: no result depends on it but through the run key, and the
precision that ``auto`` stands for, which is recorded."""
OWN = {"swarmformer", "torch", *sys.stdlib_module_names}
"""Top-level modules that are no suppliers: this library, and what ``packages`` of an environment tells."""

_TOKEN = re.compile(
    r"""(?P<string>(?:\b[rRbBfFuU]{1,2})?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}
        |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))|(?P<comment>\#[^\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])""",
    re.DOTALL | re.VERBOSE,
)


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
    own = _short(f"{library_hash()}\n{hash_once(tuple(runner))}")
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


def hash_of(files: Iterable[Path], below: Path | None = None) -> str:
    """Over the names of files (their paths below a folder, where it is given) and what they do."""
    named = {(path.relative_to(below).as_posix() if below else path.name): path for path in files}
    return _short("\0".join(f"{name}\0{without_words(named[name].read_text('utf-8'))}" for name in sorted(named)))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def without_words(source: str) -> str:
    """Python source without what cannot change its arithmetic."""
    kept, depth, end = [], 0, 0
    for token in _TOKEN.finditer(source):
        kept.append(source[end : token.start()])
        end = token.end()
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        statement = token.lastgroup == "string" and depth == 0 and _stands_alone(source, token)
        if token.lastgroup != "comment" and not statement:
            kept.append(token[0].replace("\n", "\0"))  # blank lines of a text belong to it
    lines = ("".join(kept) + source[end:]).splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _stands_alone(source: str, token: re.Match[str]) -> bool:
    """Whether a string outside brackets is a statement: a docstring, or the words below an attribute."""
    before = source[: token.start()].rstrip(" \t")
    after = source[token.end() :].split("\n", 1)[0].strip()
    return before[-1:] in ("\n", "") and not before.endswith("\\\n") and (not after or after.startswith("#"))


def suppliers_of(spec: BaseModel) -> tuple[Supplier, ...]:
    """Whoever outside this library supplied a part of a specification, by module."""
    supplied: dict[str, list[str]] = {}
    for slot, name in _parts(spec):
        for cls in registry.get(slot, name).__mro__:
            if cls.__module__.partition(".")[0] not in OWN:
                supplied.setdefault(_top(cls.__module__), []).append(f"{slot}.{name}")
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


def _top(module: str) -> str:
    """The package that a module belongs to, where it is one; a module found by its file is itself."""
    top = module.partition(".")[0]
    return top if hasattr(sys.modules.get(top), "__path__") else module


@cache
def _supplier(module: str, parts: tuple[str, ...]) -> Supplier:
    loaded = sys.modules[module]
    folders = [Path(folder) for folder in getattr(loaded, "__path__", ())]
    if folders:
        sources = "".join(hash_of(folder.rglob("*.py"), below=folder) for folder in folders)
    else:
        file = getattr(loaded, "__file__", None)
        sources = hash_of([Path(file)]) if file else ""
    names = metadata.packages_distributions().get(module.partition(".")[0], [])
    version = metadata.version(names[0]) if names else ""
    return Supplier(module=module, parts=parts, distribution=names[0] if names else "", version=version,
                    hash=_short(sources))  # fmt: skip
