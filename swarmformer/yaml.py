"""YAML, read safely: no objects, no duplicate keys, faults with file and line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from swarmformer.errors import SpecError

_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where it is there, is ten times as quick."""


class _StrictLoader(_Safe):  # type: ignore[misc]
    """A safe loader that refuses a key given twice."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", key_node.start_mark)
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def display(path: Path) -> str:
    """A path as a person would type it: relative where it lies below the working folder."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def safe_load(text: str) -> Any:
    """``yaml.safe_load``, quickly."""
    return yaml.load(text, Loader=_Safe)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        SpecError: missing file, broken YAML, a duplicate key, or anything but a mapping.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            value = _StrictLoader(stream).get_single_data()
    except OSError as error:
        raise SpecError(f"{display(path)}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{display(path)}: not UTF-8 text: {error}") from None
    except yaml.YAMLError as error:
        raise SpecError(f"{display(path)}: {_words(error)}") from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise SpecError(f"{display(path)}: expected a mapping with text keys at the top")
    return value


def _words(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "not valid YAML"
    return f"line {mark.line + 1}: {problem}" if mark else problem
