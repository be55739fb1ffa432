"""ModelSpec: the section ``model``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmformer import registry
from swarmformer.contracts import Dims, Model, Strict
from swarmformer.errors import SpecError, suggest
from swarmformer.run_key import Content, part_content
from swarmformer.schema import Locate, check_options, dotted, options_of, validate

from .component import ComponentSpec, mapping, names_of, nowhere, taken

CHANNEL, NO_CHANNEL = "channel", "none"
NONE: tuple[Any, ...] = (NO_CHANNEL, {"name": NO_CHANNEL})
"""How to say that a model has no channel."""


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
        given = dict(mapping(value, path, locate))
        name, place = given.pop("name", "swarmformer"), (*path, "name")
        where = f"{locate(place)}{dotted(place)}: "
        if not isinstance(name, str):
            raise SpecError(f"{where}{name!r} is no name; available: {names_of('model')}")
        family: type[Model] = registry.get("model", name, where)
        sizes = mapping(taken(given, "dims", path, locate), (*path, "dims"), locate)
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


def _filling(family: type[Model], slot: str, given: dict[str, Any], path: tuple[str, ...], locate: Locate) -> Any:
    """What is given for a slot; where it names no component, or nothing is given, the slot's default is meant."""
    usual = family.default_slots.get(slot)
    if usual is None:
        return taken(given, slot, path, locate)
    value = given.pop(slot, usual)
    return {"name": usual, **value} if isinstance(value, Mapping) else value


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
