"""What a run key is made of: what departs from the defaults, and the versions of the parts.

Same meaning, same key: an option that is given at its default is left out, so that an option or a slot that is added
later, with a default that keeps the old behaviour, changes no key. The price is a rule: a default is never changed in
place. Whoever changes one, or the arithmetic of a part, raises the part's ``VERSION`` (of fields of data and training:
``SPEC_VERSION``); ``tests/golden`` remembers every default.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from swarmformer import registry
from swarmformer.once import kept_by
from swarmformer.schema import default_options

Content = dict[str, Any]


def digest(content: Content) -> str:
    """16 hex digits."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()[:16]


def canonical(value: Any) -> str:
    """JSON in which the order of keys does not matter, nor whether a whole number is written as one."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def content_of(value: Any, *, versions: bool = True) -> Any:
    """What of a value belongs to the key: of a specification its departures, of anything else all of it.

    A specification with a method ``key_content(*, versions)`` says itself what departs. Without ``versions`` it is as
    if the arithmetic of every part were its first.
    """
    if isinstance(value, BaseModel):
        own = getattr(value, "key_content", None)
        return own(versions=versions) if own else departures(value, versions=versions)
    if isinstance(value, Mapping):
        return {key: content_of(part, versions=versions) for key, part in value.items()}
    return [content_of(part, versions=versions) for part in value] if isinstance(value, list | tuple) else value


def departures(spec: BaseModel, *, versions: bool = True) -> Content:
    """Fields of a specification that depart from their defaults, without those that it lists in ``OUTSIDE_KEY``.

    A part whose version was raised departs, even where it is the default one.
    """
    kept = {}
    for name, field in type(spec).model_fields.items():
        if name in getattr(spec, "OUTSIDE_KEY", ()):
            continue
        content = content_of(getattr(spec, name), versions=versions)
        if field.is_required() or canonical(content) != _usual(type(spec), name):
            kept[name] = content
    return kept


@kept_by(lambda spec, name: (spec, name))
def _usual(spec: type[BaseModel], name: str) -> str:
    """What the default of a field is in a key."""
    return canonical(content_of(spec.model_fields[name].get_default(call_default_factory=True), versions=False))


def part_content(slot: str, name: str, options: Mapping[str, Any], *, versions: bool = True) -> Content:
    """Of a registered class with these options: its name, the options that depart, its version where it was raised.

    Without the options that it lists in ``OUTSIDE_KEY``.
    """
    cls = registry.get(slot, name)
    defaults = default_options(cls)
    inside = {key: value for key, value in options.items() if key not in getattr(cls, "OUTSIDE_KEY", ())}
    changed = {key: value for key, value in inside.items() if canonical(value) != canonical(defaults[key])}
    content: Content = {"name": registry.shortest_name(slot, name)}
    if changed:
        content["options"] = changed
    version = getattr(cls, "VERSION", 1)
    return {**content, "version": version} if versions and version != 1 else content
