"""Kinds of tables, figures and rules of claims: found by name, given their options.

A kind lies in a file of its own in the folder of its sort, or in another package: found by its entry point, or named
as ``package.module:name``.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from swarmformer.errors import SpecError, suggest
from swarmformer.extras import imported

from .errors import ReportError

Made = TypeVar("Made")
KindT = TypeVar("KindT", bound=Callable[..., Any])


class Strict(BaseModel):
    """Base of what files give: nothing beyond what is modelled, nothing of another type."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Kinds(Generic[Made]):
    """All kinds of one sort: ``Strict`` models whose fields are options, or functions with keyword-only options.

    sort: how messages call one. package: whose modules register ours. group: of entry points. base: of every class.
    """

    sort: str
    package: str
    group: str
    base: type = object
    ours: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def register(self, name: str) -> Callable[[KindT], KindT]:
        """Decorator of a kind. Raises ValueError where the name is taken."""

        def decorate(kind: KindT) -> KindT:
            if self.ours.setdefault(name, kind) is not kind:
                modules = f"{self.ours[name].__module__}, {kind.__module__}"
                raise ValueError(f"two of one name: {self.sort} {name!r} is in {modules}")
            return kind

        return decorate

    def names(self) -> list[str]:
        """Names of all kinds, ours first."""
        self._load_ours()
        return [*sorted(self.ours), *sorted({point.name for point in entry_points(group=self.group)} - {*self.ours})]

    def _load_ours(self) -> None:
        for module in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
            importlib.import_module(f"{self.package}.{module.name}")

    def get(self, name: str) -> Callable[..., Any]:
        """Ours first, which nothing can shadow. Raises ReportError where there is none, or it cannot be used."""
        self._load_ours()
        if name in self.ours:
            return self.ours[name]
        path = next((point.value for point in entry_points(group=self.group) if point.name == name), name)
        if ":" not in path:
            known = self.names()
            raise ReportError(f"no {self.sort} {name!r}.{suggest(name, known)} There are {', '.join(known)}, and "
                              "package.module:name for one of your own")  # fmt: skip
        try:
            kind: Callable[..., Any] = imported(path)
        except SpecError as error:
            raise ReportError(f"{self.sort} {name!r} cannot be imported: {error}") from error
        if self.base is not object and not (isinstance(kind, type) and issubclass(kind, self.base)):
            raise ReportError(f"{self.sort} {name!r} is no subclass of {self.base.__module__}.{self.base.__name__}")
        return kind

    def make(self, name: str, options: Mapping[str, Any]) -> Made:
        """The kind with its options: an instance of its class, or what remains to be called of a function.

        Raises ReportError as ``get`` does, and with the key where an option is unknown, missing or of another type.
        """
        kind = self.get(name)
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else _options(kind)
        try:
            # By way of JSON, whose lists are tuples to a strict model.
            given: Any = model.model_validate_json(json.dumps(options))
        except ValidationError as error:
            said = [f"{'.'.join(map(str, ('options', *each['loc'])))}: {each['msg']}" for each in error.errors()]
            raise ReportError(f"{'; '.join(said)}; known are {', '.join(model.model_fields) or 'none'}") from error
        except TypeError as error:
            raise ReportError(f"options hold a value that JSON does not know: {error}") from error
        called: Any = partial(kind, **{key: getattr(given, key) for key in model.model_fields})
        return given if model is kind else called


def _options(kind: Callable[..., Any]) -> type[BaseModel]:
    hints = get_type_hints(kind, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return create_model("Options", __base__=Strict, **fields)
