"""The section ``train`` as it is written: budget, ingredients, and options of ingredients in short.

``lr`` is short for ``optimiser.lr`` where the optimiser, and no other ingredient, has an option ``lr``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmformer import registry
from swarmformer.errors import SpecError
from swarmformer.schema import Locate, dotted, options_of

from .budget import TrainBudget

USUAL = {"objective": "cross_entropy", "optimiser": "adamw", "augmentation": "none"}
"""What is meant where no ingredient is named."""
STAGES = "stages"
Path = tuple[str, ...]
KEYS = (*TrainBudget.model_fields, *USUAL, STAGES)


def spread(given: Mapping[str, Any], below: Mapping[str, Any], path: Path, locate: Locate) -> dict[str, Any]:
    """The section in which every ingredient that is touched is named and has all of its options.

    Args:
        below: the section that ``given`` is laid over; its ingredients are meant where ``given`` names no other.

    Raises:
        SpecError: an option of two ingredients in short; or one in both ways with two values.
    """
    section, owners = dict(given), short_names(given, below, path, locate)
    for key in [key for key in given if key in owners and key not in KEYS]:
        if len(owners[key]) > 1:
            choice = " or ".join(dotted((*path, slot, key)) for slot in owners[key])
            raise SpecError(f"{_place((*path, key), locate)}: of which ingredient? Write {choice}")
        [slot] = owners[key]
        part = _named(slot, section, below)
        if part.get(key, given[key]) != given[key]:
            both = " and ".join(_place(place, locate) for place in ((*path, key), (*path, slot, key)))
            raise SpecError(f"{both}: one option, two values; leave one of them out")
        section[slot] = {**part, key: section.pop(key)}
    return {key: _named(key, section, below) if key in USUAL else value for key, value in section.items()}


def short_names(given: Mapping[str, Any], below: Mapping[str, Any], path: Path, locate: Locate) -> dict[str, list[str]]:
    """Option → the slots of those chosen ingredients that have it."""
    owners: dict[str, list[str]] = {}
    for slot in USUAL:
        part = _named(slot, given, below)
        if isinstance(part, dict) and isinstance(part["name"], str):
            cls = registry.get(slot, part["name"], f"{_place((*path, slot), locate)}: ")
            for option in options_of(cls, registry.leading_of(slot, cls)):
                owners.setdefault(option.name, []).append(slot)
    return owners


def departing(section: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """What of a complete section differs from another; all of an ingredient that is another one."""
    kept = {key: value for key, value in section.items() if key != STAGES and value != usual[key]}
    for slot in USUAL.keys() & kept.keys():
        if kept[slot]["name"] == usual[slot]["name"]:
            kept[slot] = {key: value for key, value in kept[slot].items() if value != usual[slot][key]}
    return kept


def _named(slot: str, section: Mapping[str, Any], below: Mapping[str, Any]) -> Any:
    """What a section says of an ingredient, with its name; what is neither text nor mapping stays, to be refused."""
    value = section.get(slot, {})
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, Mapping):
        return value
    lower = below.get(slot)
    lower_name = lower.get("name") if isinstance(lower, Mapping) else lower
    return {"name": lower_name if isinstance(lower_name, str) else USUAL[slot], **value}


def _place(path: Path, locate: Locate) -> str:
    return f"{locate(path)}{dotted(path)}"
