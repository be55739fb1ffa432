"""A component with a set of options: what every check is tried on.

A component is tried with its defaults, with every other value of its bool and Literal options, and with
the sets that it names itself in ``test_options``, a class attribute::

    class Windowed(Local):
        test_options = ({"window": 2}, {"window": 3, "heads": 2})
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import torch

from swarmformer import registry
from swarmformer.contracts import Dims
from swarmformer.models.parts import Parts
from swarmformer.schema import check_options
from swarmformer.seeding import seed_all
from swarmformer.spec import ComponentSpec
from swarmformer.testing.require import NotApplicableError
from swarmformer.variants import load_variant

DIMS = Dims(vocab_size=40, d_model=16, num_layers=3, cluster_size=4, seq_len=64, num_classes=3)
LENGTHS = (1, 2, 3, 4, 5, 12, 13, 16, 40)
"""Tokens per text: shorter than a window, one cluster, divisible and not, several windows."""
WHOLE_LENGTHS = (1, 12, 13, 40)
"""Of a whole model a few: its components are checked one by one at more."""
PARTS_FROM = "base"
"""The variant whose components fill the slots of a model that is checked."""


@dataclass(frozen=True)
class Case:
    """A component and the options that differ from its defaults.

    parts: for a model with slots, the components that differ from those of the variant ``base``.
    implied: the options were combined by the kit, not named by anybody; the component may refuse them.
    """

    cls: Any
    slot: str
    options: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    implied: bool = False

    @property
    def name(self) -> str:
        """The registered name, or ``package.module:Class``."""
        registered = self.cls.__dict__.get("registered_name", "")
        return registered or f"{self.cls.__module__}:{self.cls.__qualname__}"

    @property
    def component(self) -> str:
        return f"{self.slot}.{self.name}"

    def __str__(self) -> str:
        changed = ",".join(f"{key}={value}" for key, value in {**self.parts, **self.options}.items())
        return self.component + (f"[{changed}]" if changed else "")

    def build(self, seed: int = 0, **more: Any) -> Any:
        """The component in eval mode, its parameters moved away from tame initial values.

        Raises:
            NotApplicableError: it refuses a combination of options that the kit made up.
        """
        seed_all(seed)
        component = self.make(**more)
        if isinstance(component, torch.nn.Module):
            component.eval()
            with torch.no_grad():
                for parameter in component.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        return component

    @property
    def dims(self) -> Dims:
        return DIMS

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens per text to try, or clusters of a mixer."""
        return WHOLE_LENGTHS if self.slot == "model" else LENGTHS

    def make(self, **more: Any) -> Any:
        """The component as its constructor leaves it, built from what a configuration would store."""
        options = check_options(self.cls, {**self.options, **more}, (), lambda path: "")
        try:
            return self.cls(*self._leading(), **options)
        except ValueError as error:
            if self.implied:
                raise NotApplicableError(f"these options are refused: {error}") from error
            raise

    def _leading(self) -> tuple[Any, ...]:
        leading = registry.leading_of(self.slot, self.cls)
        given = {"dims": lambda: DIMS, "parts": lambda: Parts(DIMS, self._components(self.cls.slots))}
        return tuple(given[name]() for name in leading)

    def _components(self, slots: tuple[str, ...]) -> dict[str, ComponentSpec]:
        usual = {**self.cls.default_slots, **{slot: part.to_dict() for slot, part in _usual_parts().items()}}
        chosen = {slot: self.parts.get(slot, usual[slot]) for slot in slots}
        return {slot: ComponentSpec.from_dict(slot, part, (slot,), lambda path: "") for slot, part in chosen.items()}

    @cached_property
    def honours_mask(self) -> bool:
        """What the component says of itself."""
        return bool(getattr(self.build(), "honours_mask", True))


@cache
def _usual_parts() -> dict[str, ComponentSpec]:
    return load_variant(PARTS_FROM).model_spec().slots


def cases_of(cls: type, slot: str) -> list[Case]:
    """The cases of a component; the first has its defaults.

    The sets of ``test_options`` of a task are small enough to load, and its choices are laid over the first.
    """
    declared = list(getattr(cls, "test_options", ()))
    start = declared[0] if slot == "task" and declared else {}
    cases = [Case(cls, slot), *(Case(cls, slot, options) for options in declared)]
    cases += [Case(cls, slot, {**start, **choice}, implied=True) for choice in _choices(cls, slot)]
    if "pooling" in getattr(cls, "slots", ()):
        cases += [Case(cls, slot, parts={"pooling": name}) for name in _per_token_poolings()]
    return cases


def _choices(cls: type, slot: str) -> Iterator[dict[str, Any]]:
    hints = typing.get_type_hints(cls.__init__, include_extras=True)  # type: ignore[misc]
    for option in registry.options_of(cls, registry.leading_of(slot, cls)):
        for value in choices_of(hints[option.name]):
            if value != option.default:
                yield {option.name: value}


def choices_of(hint: Any) -> tuple[Any, ...]:
    """All values of a bool, a Literal, or a union with them; nothing for types without a list of values."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is bool:
        return (False, True)
    if hint is type(None):
        return (None,)
    if origin is typing.Literal:
        return arguments
    if origin is typing.Annotated:
        return choices_of(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return tuple(value for argument in arguments for value in choices_of(argument))
    return ()


def _per_token_poolings() -> list[str]:
    sound = (entry for entry in registry.list_components("pooling") if entry.fault is None)
    return [entry.name for entry in sound if getattr(entry.load(), "per_token", False)]
