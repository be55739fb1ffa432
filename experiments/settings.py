"""The keys of a command line in sacred's style: settings with defaults, and sections to lay over a variant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from swarmformer.contracts import Dims, Strict
from swarmformer.errors import SpecError, suggest
from swarmformer.models.swarmformer import SwarmFormer
from swarmformer.schema import validate
from swarmformer.sections.short_names import KEYS, short_names
from swarmformer.spec import DataSpec

from .store import Config

SettingsT = TypeVar("SettingsT", bound=Strict)


def defaults_of(model: type[Strict], sections: Sequence[str] = ()) -> Config:
    """The keys of a command: its settings, and sections with nothing in them."""
    return {**model().model_dump(), **{section: {} for section in sections}}


def check_keys(
    config: Config, model: type[SettingsT], sections: Sequence[str] = (), lists: Sequence[str] = ()
) -> SettingsT:
    """The keys that ``model`` has, checked; those of ``lists`` may be one value or a list in a shell's words.

    Raises:
        SpecError: an unknown key, a wrong type or value; says which is nearest.
    """
    known = (*model.model_fields, *sections)
    for key in set(config) - set(known):
        near = nearest_key(key, sections, known)
        raise SpecError(f"command line: unknown key {key!r}.{near} Keys: {', '.join(known)}")
    plain = {key: value for key, value in config.items() if key in model.model_fields}
    plain |= {key: as_list(config[key]) for key in lists}
    return validate(model, plain, (), lambda path: "command line: ")


def nearest_key(key: str, sections: Sequence[str], known: Iterable[str]) -> str:
    """`` Did you mean 'train.lr'?``, where a section has a key of this name; of a model its slots and its sizes too.
    Else the nearest of ``known``."""
    keys = {
        "model": [*SwarmFormer.slots, "channel", "dims"], "model.dims": list(Dims.model_fields),
        "data": list(DataSpec.model_fields), "train": [*KEYS, *short_names({}, {}, ("train",), lambda path: "")],
    }  # fmt: skip
    places = [f"{place}.{key}" for place, names in keys.items() if place.partition(".")[0] in sections and key in names]
    return f" Did you mean {' or '.join(map(repr, places))}?" if places else suggest(key, known)


def as_list(value: Any) -> list[Any]:
    """``[a, b]``, ``"[a,b]"`` (a shell's words are no Python) or ``a`` → a list."""
    if isinstance(value, str):
        inner = value.strip()
        if inner.startswith("[") and inner.endswith("]"):
            inner = inner[1:-1]
        return [word.strip() for word in inner.split(",") if word.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]
