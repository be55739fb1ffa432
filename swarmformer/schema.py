"""A constructor is a schema: read its options, and check values against them.

Types are checked by pydantic in strict mode over JSON, so what passes is what can be stored.
"""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Tag, ValidationError, create_model

from swarmformer.errors import ComponentError, SpecError, suggest

OPTIONS = ConfigDict(extra="forbid", strict=True, validate_default=True, protected_namespaces=())
MOST_FAULTS = 20
"""Told at once."""
M = TypeVar("M", bound=BaseModel)
Locate = Callable[[tuple[str, ...]], str]
"""Maps the path of a key to words that say where it was written."""
Nearest = Callable[[tuple[str, ...], list[str]], str]
"""Maps the path of an unknown key, and the names known there, to words that name what may be meant."""


def dotted(path: Iterable[str]) -> str:
    return ".".join(path)


@dataclass(frozen=True)
class Option:
    """One option of a component, for listings."""

    name: str
    annotation: str
    default: Any

    def __str__(self) -> str:
        return f"{self.name}: {self.annotation} = {self.default!r}"


def options_of(cls: type, leading: tuple[str, ...] = ("dims",)) -> list[Option]:
    """Options of a component: its keyword-only constructor parameters.

    Args:
        leading: names of the positional parameters that the slot's builder passes.

    Raises:
        ComponentError: ``*args``, ``**kwargs``, an option that is positional, without a type or
            without a default, or called ``name``.
    """
    return list(_options(cls, cls.__init__, leading))  # type: ignore[misc]


@cache
def _options(cls: type, constructor: Callable[..., None], leading: tuple[str, ...]) -> tuple[Option, ...]:
    where = f"{cls.__module__}.{cls.__qualname__}"
    parameters = _parameters(cls)
    positional = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
    if positional != leading:
        raise ComponentError(
            f"{where}.__init__ must take {', '.join(('self', *leading))} and then keyword-only options "
            f"(after a bare *), but takes {', '.join(('self', *positional))}"
        )
    hints = _hints(cls)
    options = []
    for p in parameters[len(leading) :]:
        if p.kind is not p.KEYWORD_ONLY:
            raise ComponentError(f"{where}.__init__ takes {p}: list every option by name instead")
        if p.name not in hints or p.default is p.empty:
            raise ComponentError(f"{where}.__init__: option {p.name!r} needs a type and a default")
        if p.name == "name":
            raise ComponentError(f"{where}.__init__: an option cannot be called 'name': that names the component")
        options.append(Option(p.name, _type_name(hints[p.name]), p.default))
    return tuple(options)


def _parameters(cls: type) -> list[inspect.Parameter]:
    if cls.__init__ is object.__init__:  # type: ignore[misc]
        return []
    return list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]


def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls.__init__, include_extras=True)  # type: ignore[misc]
    except NameError as error:
        raise ComponentError(
            f"{cls.__module__}.{cls.__qualname__}.__init__: {error}; types of options are read when the component is "
            "used, so import them at run time, not under TYPE_CHECKING"
        ) from None


def _type_name(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Annotated:
        return _type_name(typing.get_args(hint)[0])
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(repr(value) for value in typing.get_args(hint))
    return getattr(hint, "__name__", None) or str(hint).replace("typing.", "")


def check_options(cls: type, values: Mapping[str, Any], path: tuple[str, ...], locate: Locate) -> dict[str, Any]:
    """Return ``values`` with defaults filled in, as JSON values; defaults are checked like given values.

    Raises:
        SpecError: unknown option or wrong type; names the place, the nearest option and all options.
    """
    model, known = _schema(cls, cls.__init__)  # type: ignore[misc]
    return validate(model, values, path, locate, known).model_dump(mode="json")


@cache
def _schema(cls: type, constructor: Callable[..., None]) -> tuple[type[BaseModel], list[str]]:
    """The options of a component as a model of pydantic's, and each in words."""
    options, hints = options_of(cls, leading=_leading(cls)), _hints(cls)
    fields = {o.name: (hints[o.name], o.default) for o in options}
    model: type[BaseModel] = create_model(cls.__name__, __config__=OPTIONS, **fields)  # type: ignore[call-overload]
    return model, [str(o) for o in options]


@cache
def default_options(cls: type) -> dict[str, Any]:
    """The defaults of all options of a component, as JSON values."""
    return check_options(cls, {}, (), lambda path: "")


def _leading(cls: type) -> tuple[str, ...]:
    return tuple(p.name for p in _parameters(cls) if p.kind is p.POSITIONAL_OR_KEYWORD)


def validate(
    model: type[M],
    values: Mapping[str, Any],
    path: tuple[str, ...] = (),
    locate: Locate = lambda path: "",
    known: list[str] | None = None,
    nearest: Nearest = lambda place, names: suggest(place[-1], names),
) -> M:
    """Strictly validate ``values`` as ``model``; every fault becomes one line of a SpecError."""
    try:
        return model.model_validate_json(_as_json(values, path, locate))
    except ValidationError as error:
        known = known if known is not None else list(model.model_fields)
        lines = [_explain(model, fault, path, locate, known, nearest) for fault in error.errors()[:MOST_FAULTS]]
        lines += [f"and {error.error_count() - MOST_FAULTS} more faults"] * (error.error_count() > MOST_FAULTS)
        raise SpecError("\n".join(lines)) from None


def all_of(*parts: Callable[[], Any]) -> list[Any]:
    """What each gives, or all their faults at once."""
    results, faults = [], []
    for part in parts:
        try:
            results.append(part())
        except SpecError as error:
            faults.append(str(error))
    if faults:
        raise SpecError("\n".join(faults))
    return results


def _as_json(values: Mapping[str, Any], path: tuple[str, ...], locate: Locate) -> str:
    for key, value in values.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            place = (*path, str(key))
            raise SpecError(
                f"{locate(place)}{dotted(place)}: {value!r} ({type(value).__name__}) cannot be stored in a "
                "configuration; use text, finite numbers, true/false, lists or mappings"
            ) from None
    return json.dumps(dict(values))


def _explain(
    model: type[BaseModel], fault: Any, path: tuple[str, ...], locate: Locate, known: list[str], nearest: Nearest
) -> str:
    within, models = _walk(model, fault["loc"])
    place = (*path, *within)
    start = f"{locate(place)}{dotted(place)}{': ' if place else ''}"
    if fault["type"] == "extra_forbidden":
        if models != [model]:
            known = [name for each in models for name in each.model_fields]
        names = [text.split(":")[0] for text in known]
        return f"{start}unknown option.{nearest(place, names)} Available: {'; '.join(known) or 'none'}"
    if fault["type"] == "missing":
        return f"{start}missing"
    if fault["type"] in ("list_type", "tuple_type"):
        return f"{start}expected a list, such as {_list_like(fault['input'])}, got {fault['input']!r}"
    if fault["type"] == "value_error":  # a validator's own words
        said, given = str(fault["ctx"]["error"]), fault["input"]
        untold = isinstance(given, str | int | float) and str(given) not in said and repr(given) not in said
        return f"{start}{said}{f', got {given!r}' if untold else ''}"
    return f"{start}{fault['msg']}, got {fault['input']!r}{_number_hint(fault)}"


def _walk(model: type[BaseModel], loc: Sequence[str | int]) -> tuple[list[str], list[type[BaseModel]]]:
    """A fault's place as it is written, without the tags of unions; and the models that an unknown key there is in."""
    place, models, hints = list[str](), [model], list[Any]()
    for part in loc:
        fields = [each.model_fields[part] for each in models if isinstance(part, str) and part in each.model_fields]
        if fields:
            hints = [hint for field in fields for hint in _within(field.annotation)]
            models = [hint for hint in hints if inspect.isclass(hint) and issubclass(hint, BaseModel)]
        elif any(isinstance(hint, Tag) and hint.tag == part for hint in hints):
            continue
        place.append(str(part))
    return place, models


def _within(hint: Any) -> Iterator[Any]:
    """A type and all that it is made of: members of unions, what lists hold, what annotations say."""
    yield hint
    for part in (*typing.get_args(hint), *getattr(hint, "__metadata__", ())):
        yield from _within(part)


def _list_like(value: Any) -> str:
    """An example of a list where ``value`` was written: one number says how many as often as which."""
    return f"[{value}]" if isinstance(value, str | float) else "[0, 1, 2]" if isinstance(value, int) else "[…]"


def _number_hint(fault: Any) -> str:
    if not isinstance(fault["input"], str):
        return ""
    try:
        number = float(fault["input"])
    except ValueError:
        return ""
    if fault["type"].startswith("int"):
        return f" (text: write {int(number)}, without quotes)" if number.is_integer() else ""
    return f" (text; YAML reads numbers such as 1e-3 as text: write {number!r} or 1.0e-3)"
