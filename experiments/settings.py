"""The keys of a command line in sacred's style: settings with defaults, and sections to lay over a variant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from swarmformer.contracts import Strict
from swarmformer.errors import SpecError, suggest
from swarmformer.schema import validate

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
        raise SpecError(f"command line: unknown key {key!r}.{suggest(key, known)} Keys: {', '.join(known)}")
    plain = {key: value for key, value in config.items() if key in model.model_fields}
    plain |= {key: as_list(config[key]) for key in lists}
    return validate(model, plain, (), lambda path: "command line: ")


def as_list(value: Any) -> list[Any]:
    """``[a, b]``, ``"[a,b]"`` (a shell's words are no Python) or ``a`` → a list."""
    if isinstance(value, str):
        inner = value.strip()
        if inner.startswith("[") and inner.endswith("]"):
            inner = inner[1:-1]
        return [word.strip() for word in inner.split(",") if word.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]
