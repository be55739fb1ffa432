"""The generated regions of ``grids.md``: the keys of a grid file, read off the schema that checks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from docs.cells import code, plain, shown, table
from experiments.limits import StartLimits
from experiments.plan.design import DesignSpec
from experiments.plan.grid_file import ArmSpec, GridSpec, Latency, PrimarySpec
from experiments.plan.matched import MatchedSpec
from experiments.plan.tune import TuneSpec
from swarmformer.contracts import Dims
from swarmformer.spec import ComponentSpec, DataSpec

SECTIONS: dict[str, type[BaseModel]] = {
    "grid": GridSpec, "arms": ArmSpec, "designs": DesignSpec, "matched": MatchedSpec, "primary": PrimarySpec,
    "tune": TuneSpec, "latency": Latency, "limits": StartLimits, "dims": Dims, "data": DataSpec,
}  # fmt: skip
KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null",
         "object": "mapping", "array": "list"}  # fmt: skip
LIMITS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}
MORE = {"minLength": "not empty", "minItems": "{} or more", "minProperties": "{} or more"}
Schema = Mapping[str, Any]


def grid_keys(_page: str, section: str) -> str:
    """Keys of a section of a grid file: type, default, what it does."""
    model = SECTIONS[section]
    schema = model.model_json_schema()
    rows = []
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else code(shown(_plain(field.default)))
        rows.append([code(name), plain(said(schema["properties"][name])), default, plain(str(field.description))])
    return table(["key", "type", "default", "what it does"], rows)


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else value


def said(schema: Schema) -> str:
    """A type of JSON schema in words: ``list (1 or more) of: whole number (≥ 0)``."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "name, or mapping with `name` and options" if name == ComponentSpec.__name__ else "mapping (below)"
    if "enum" in schema or "const" in schema:
        return " or ".join(code(word) for word in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(dict.fromkeys(said(one) for one in schema.get("anyOf", schema.get("oneOf"))))
    limits = [words.format(schema[key]) for key, words in {**LIMITS, **MORE}.items() if key in schema]
    kind = KINDS.get(schema.get("type", ""), "any value") + (f" ({', '.join(limits)})" if limits else "")
    inner = schema.get("items", schema.get("additionalProperties"))
    return f"{kind} of: {said(inner)}" if isinstance(inner, Mapping) else kind
