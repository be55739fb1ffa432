"""Kinds of tables (and of whatever a definition file may name): functions registered by a name, with checked options.

A kind lies in a file of its own in a package of this library, which is read as a whole; or in a package of somebody
else's, found by its entry point, or named as ``package.module:function``.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from .errors import ReportError

KindT = TypeVar("KindT", bound=Callable[..., Any])
CONFIG = ConfigDict(strict=True, frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Kinds(Generic[KindT]):
    """what: the word for them, also the key of a definition file; package: where ours lie; group: of entry points."""

    def __init__(self, what: str, package: str, group: str) -> None:
        self.what, self._package, self._group = what, package, group
        self._ours: dict[str, KindT] = {}

    def __call__(self, name: str) -> Callable[[KindT], KindT]:
        """The decorator that registers a kind. Raises ValueError where the name is taken."""

        def register(kind: KindT) -> KindT:
            if name in self._ours:
                raise ValueError(f"two kinds of {self.what} are named {name!r}: {kind!r} and {self._ours[name]!r}")
            self._ours[name] = kind
            return kind

        return register

    def ours(self) -> dict[str, KindT]:
        """Name → kind, of those in this library's package."""
        for module in pkgutil.iter_modules(importlib.import_module(self._package).__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        return dict(sorted(self._ours.items()))

    def names(self) -> list[str]:
        """Ours, then those of other packages."""
        others = {point.name for point in entry_points(group=self._group)}
        return [*self.ours(), *sorted(others - self._ours.keys())]

    def find(self, name: str) -> KindT:
        """Ours first, which nothing can shadow. Raises ReportError where there is none, or it cannot be imported."""
        if name in self.ours():
            return self._ours[name]
        points = [point for point in entry_points(group=self._group) if point.name == name]
        path = points[0].value if points else name
        if ":" not in path:
            raise ReportError(self._unknown(name))
        module, _, function = path.partition(":")
        try:
            kind: KindT = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise ReportError(f"{self.what} {name!r} cannot be imported: {error}") from error
        return kind

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name, self.names(), n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        return f"no {self.what} {name!r}{hint} There are {', '.join(self.names())}, and package.module:function"

    def options(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a kind, checked: its keyword-only parameters with their types and defaults.

        Raises ReportError, with the key, where one is unknown, missing or of another type.
        """
        model = _model(self.find(name))
        try:
            # By way of JSON, whose lists are tuples to a strict model.
            checked = model.model_validate_json(json.dumps(given))
        except ValidationError as error:
            said = [f"options.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise ReportError(f"{'; '.join(said)}; known are {', '.join(model.model_fields) or 'none'}") from error
        except TypeError as error:
            raise ReportError(f"options hold a value that JSON does not know: {error}") from error
        return {key: getattr(checked, key) for key in model.model_fields}


def _model(kind: Callable[..., Any]) -> type[BaseModel]:
    hints = get_type_hints(kind, include_extras=True)
    parameters = inspect.signature(kind).parameters.values()
    fields: dict[str, Any] = {
        parameter.name: (hints[parameter.name], ... if parameter.default is parameter.empty else parameter.default)
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return create_model("Options", __config__=CONFIG, **fields)
