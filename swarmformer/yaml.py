"""YAML, read safely: no objects, no duplicate keys, faults with file and line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from swarmformer.errors import SpecError

_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where it is there, is ten times as quick."""


LARGEST, DEEPEST, MOST_NODES = 1 << 22, 64, 100_000
"""Bytes of a file that is read at all; how deep its values may be nested, and how many there may be with every alias
written out. What people write stays far below."""
LONGEST_INT = 256
"""Bits of a whole number."""


class _StrictLoader(_Safe):  # type: ignore[misc]
    """A safe loader that refuses a key given twice, and what grows without end; faults have a line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, int) and value.bit_length() > LONGEST_INT:
                raise ValueError("no configuration needs it")
            return value
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            kind, text = node.tag.rpartition(":")[2], str(node.value)
            shown = text if len(text) < 40 else f"{text[:40]}…"
            raise _fault(node, f"{shown!r} cannot be read as {kind}; put text into quotes") from None


def _fault(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise _fault(key_node, "a key must be plain text")
        if key_node.tag == "tag:yaml.org,2002:merge":
            raise _fault(key_node, "merge keys (<<) are not read; write the keys out, or name a variant with base:")
        key = loader.construct_object(key_node)
        if key in seen:
            raise _fault(key_node, f"key {key!r} is given twice")
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _check_growth(root: yaml.Node) -> None:
    """Refuse a file that holds itself, is nested too deep, or has too many values once its aliases are written out."""
    sizes: dict[int, int] = {}
    above: set[int] = set()
    ahead = [(root, False)]
    while ahead:
        node, done = ahead.pop()
        children = _children(node)
        if done:
            above.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(child)] for child in children)
            if sizes[id(node)] > MOST_NODES:
                raise _fault(node, f"more than {MOST_NODES:,} values, with aliases written out")
        elif id(node) in above:
            raise _fault(node, "an alias of what it stands in")
        elif id(node) not in sizes:
            if len(above) >= DEEPEST:
                raise _fault(node, f"nested more than {DEEPEST} deep")
            above.add(id(node))
            ahead += [(node, True), *((child, False) for child in children)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _constructed(text: str) -> Any:
    loader = _StrictLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_growth(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


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
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise SpecError(f"{display(path)}: more than {LARGEST:,} bytes; name a YAML file of a configuration")
        value = _constructed(content.decode("utf-8-sig"))
    except OSError as error:
        raise SpecError(f"{display(path)}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{display(path)}: not UTF-8 text: {error}") from None
    except yaml.YAMLError as error:
        raise SpecError(f"{display(path)}: {_words(error)}") from None
    except RecursionError:
        raise SpecError(f"{display(path)}: nested too deep; its values may be nested {DEEPEST} deep") from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise SpecError(f"{display(path)}: expected a mapping with text keys at the top")
    return value


def _words(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "not valid YAML"
    return f"line {mark.line + 1}: {problem}" if mark else problem
