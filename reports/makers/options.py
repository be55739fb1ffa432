"""Options of a definition file, checked by the model of its kind."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ..definition import Definition
from ..errors import ReportError


class Options(BaseModel):
    """Base of every kind's options: nothing beyond what it names, no type but the named one."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


OptionsT = TypeVar("OptionsT", bound=Options)


def read_options(definition: Definition, model: type[OptionsT]) -> OptionsT:
    """Raises ReportError, with the file and the key, where an option is unknown, missing or of another type."""
    try:
        # By way of JSON, whose lists are tuples to a strict model.
        return model.model_validate_json(json.dumps(definition.options))
    except ValidationError as error:
        keys = [f"options.{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
        known = ", ".join(model.model_fields)
        raise ReportError(f"{definition.name}.yaml: {'; '.join(keys)}; known are {known}") from error
    except TypeError as error:
        raise ReportError(f"{definition.name}.yaml: options hold a value that JSON does not know: {error}") from error


def is_named(variant: str, names: tuple[str, ...]) -> bool:
    """Whether a variant is one of ``names`` or an edition of it: ``original_small`` of ``original``.

    ``base+windowed`` is no edition of ``base``, but another model.
    """
    return any(variant == name or variant.startswith(f"{name}_") for name in names)
