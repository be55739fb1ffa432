"""Layers of configuration, each a diff on the one below, with the source of every key.

Mappings merge key by key, with one exception: a mapping that names another component (``name``)
replaces the one below whole, so that options of the old component never leak into the new. Where one
side is a mapping and the other a bare text, the text is short for ``{"name": text}``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from swarmformer.errors import SpecError

Path = tuple[str, ...]


@dataclass
class Tree:
    """Merged values and, for every key, the words that say where it was written."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[Path, str] = field(default_factory=dict)

    def copy(self) -> Tree:
        """One of its own, to lay more over."""
        return Tree(copy.deepcopy(self.values), dict(self.sources))

    def merge(self, patch: Mapping[str, Any], source: str) -> None:
        """Lay ``patch`` over the values; ``source`` is named in errors about its keys."""
        self._merge(self.values, patch, (), source)

    def locate(self, path: Path) -> str:
        """``"variants/base.yaml: "`` for the nearest key at or above ``path`` that was written somewhere."""
        source = self.source(path)
        return f"{source}: " if source else ""

    def source(self, path: Path) -> str:
        for end in range(len(path), 0, -1):
            if path[:end] in self.sources:
                return self.sources[path[:end]]
        return ""

    @contextmanager
    def located(self) -> Iterator[None]:
        """Put the file in front of errors that know only the key they are about."""
        try:
            yield
        except SpecError as error:
            if error.path is None:
                raise
            key = ".".join(error.path)
            raise SpecError(f"{self.locate(error.path)}{key}: {error}") from None

    def _merge(self, below: dict[str, Any], patch: Mapping[str, Any], path: Path, source: str) -> None:
        for key, value in patch.items():
            here = (*path, str(key))
            if isinstance(below.get(key), str) and isinstance(value, Mapping):
                self._replace(below, key, {"name": below[key]}, here, self.source(here))
            old = below.get(key)
            if isinstance(old, dict) and isinstance(value, str):
                value = {"name": value}
            if isinstance(old, dict) and isinstance(value, Mapping) and not _renames(old, value):
                self._merge(old, value, here, source)
            else:
                self._replace(below, key, value, here, source)

    def _replace(self, below: dict[str, Any], key: str, value: Any, here: Path, source: str) -> None:
        for path in [p for p in self.sources if p[: len(here)] == here]:
            del self.sources[path]
        below[key] = copy.deepcopy(dict(value) if isinstance(value, Mapping) else value)
        self._record(below[key], here, source)

    def _record(self, value: Any, path: Path, source: str) -> None:
        self.sources[path] = source
        if isinstance(value, Mapping):
            for key, child in value.items():
                self._record(child, (*path, str(key)), source)


def _renames(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return "name" in new and "name" in old and new["name"] != old["name"]


def leaves(patch: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Path and value of everything in a patch that is not itself a mapping."""
    for key, value in patch.items():
        if isinstance(value, Mapping):
            yield from (((str(key), *rest), leaf) for rest, leaf in leaves(value))
        else:
            yield (str(key),), value


def given_once(pairs: Iterable[tuple[str, str]], place: str) -> dict[str, str]:
    """``KEY=VALUE`` of a command line as a mapping; spaces around either are no part of it.

    Raises:
        SpecError: a key twice, of which the last would win unseen; ``place``, as ``command line``, is said first.
    """
    found = dict[str, str]()
    for key, value in ((key.strip(), value.strip()) for key, value in pairs):
        if key in found:
            raise SpecError(f"{place}: {key} is given twice, as {found[key]!r} and as {value!r}; give it once")
        found[key] = value
    return found


def nest(dotted_values: Mapping[str, Any]) -> dict[str, Any]:
    """``{"train.lr": 1}`` → ``{"train": {"lr": 1}}``; already nested values are kept, in any order."""
    tree = Tree()
    for key, value in dotted_values.items():
        for part in reversed(key.split(".")):
            value = {part: value}
        tree.merge(value, "")
    return tree.values
