"""ComponentSpec: what fills a slot; and what reading any section of a specification needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from swarmformer import registry
from swarmformer.contracts import Strict
from swarmformer.errors import SpecError
from swarmformer.run_key import Content, part_content
from swarmformer.schema import Locate, check_options, dotted

Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""What every generator takes that is seeded with it; numpy's takes 32 bits."""


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
        given = {"name": value} if isinstance(value, str) else dict(mapping(value, path, locate))
        name = given.pop("name", None)
        place = f"{locate(path)}{dotted(path)}: "
        if not isinstance(name, str):
            raise SpecError(f"{place}needs a 'name'; available: {names_of(slot)}")
        component = registry.get(slot, name, place)
        return cls(slot=slot, name=name, options=check_options(component, given, path, locate))

    @property
    def part(self) -> type[Any]:
        """The registered class that it names."""
        return registry.get(self.slot, self.name)

    def make(self, *leading: Any) -> Any:
        """A new one with these options; ``leading``: what a class of its slot is given before them, as ``Dims``."""
        return self.part(*leading, **self.options)

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, **self.options}

    def key_content(self, *, versions: bool = True) -> Content:
        return part_content(self.slot, self.name, self.options, versions=versions)


def mapping(value: Any, path: tuple[str, ...], locate: Locate) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SpecError(f"{locate(path)}{dotted(path)}: expected a mapping of options, got {value!r}")
    return value


def taken(given: dict[str, Any], key: str, path: tuple[str, ...], locate: Locate) -> Any:
    if key not in given:
        raise SpecError(f"{locate(path)}{dotted((*path, key))}: missing")
    return given.pop(key)


def names_of(slot: str) -> str:
    return ", ".join(entry.name for entry in registry.list_components(slot))
