"""Kinds of tables: functions ``(study, *, options) -> list[Table]`` that show what a study says and compute nothing.

A kind lies in a file of its own in this folder, or in another package: found by its entry point in the group
``swarmformer.tables``, or named as ``package.module:function``. Definition files ask for kinds: ``reports.definition``.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from ..errors import ReportError
from ..render.table import Table

Kind = Callable[..., list[Table]]
GROUP = "swarmformer.tables"
_OURS: dict[str, Kind] = {}


def table(name: str) -> Callable[[Kind], Kind]:
    """``@table("effects")`` registers a kind. Raises ValueError where the name is taken."""

    def register(kind: Kind) -> Kind:
        if name in _OURS:
            raise ValueError(f"two kinds of table are named {name!r}: in {_OURS[name].__module__}, {kind.__module__}")
        _OURS[name] = kind
        return kind

    return register


def kinds() -> list[str]:
    """Names of all kinds, ours first."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return [*sorted(_OURS), *sorted({point.name for point in entry_points(group=GROUP)} - _OURS.keys())]


def kind(name: str) -> Kind:
    """Ours first, which nothing can shadow. Raises ReportError where there is none, or it cannot be imported."""
    known = kinds()
    if name in _OURS:
        return _OURS[name]
    path = next((point.value for point in entry_points(group=GROUP) if point.name == name), name)
    if ":" not in path:
        near = get_close_matches(name, known, n=1)
        raise ReportError(f"no kind of table {name!r}{f' (did you mean {near[0]}?)' if near else ''}; there are "
                          f"{', '.join(known)}, and package.module:function for one of your own")  # fmt: skip
    module, _, function = path.partition(":")
    try:
        made: Kind = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ReportError(f"kind of table {name!r} cannot be imported: {error}") from error
    return made


def checked(kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a kind, which are its keyword-only parameters with their types and defaults.

    Raises ReportError, with the key, where one is unknown, missing or of another type.
    """
    model = _options(kind)
    try:
        # By way of JSON, whose lists are tuples to a strict model.
        options = model.model_validate_json(json.dumps(given))
    except ValidationError as error:
        said = [f"options.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ReportError(f"{'; '.join(said)}; known are {', '.join(model.model_fields) or 'none'}") from error
    except TypeError as error:
        raise ReportError(f"options hold a value that JSON does not know: {error}") from error
    return {key: getattr(options, key) for key in model.model_fields}


def _options(kind: Kind) -> type[BaseModel]:
    hints = get_type_hints(kind, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return create_model("Options", __config__=ConfigDict(strict=True, frozen=True, extra="forbid"), **fields)
