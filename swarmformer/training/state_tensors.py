"""Nested states as tensors by path, and the JSON values around them: what a checkpoint can hold."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from swarmformer.errors import SpecError

Tensors = dict[str, Tensor]
CONTAINERS: tuple[type[dict | list | tuple], ...] = (dict, list, tuple)


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Tensors) -> Tensors:
    start = f"{prefix}/"
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}


def split_state(value: Any, name: str = "state") -> tuple[Any, Tensors]:
    """A nested state as JSON values, and its tensors, by the names that stand in their places.

    Mappings come back as dict, as torch's own ``load_state_dict`` leaves them.

    Raises:
        SpecError: something that would not come back as it is: a named tuple, an object, two paths of one name.
    """
    if isinstance(value, Tensor):
        return {"tensor": name}, {name: value}
    kind = next((kind for kind in CONTAINERS if isinstance(value, kind)), None)
    if kind is None or hasattr(value, "_fields"):
        if kind is not None or not isinstance(value, str | int | float | None):
            raise SpecError(f"{name} is a {type(value).__name__}, which no checkpoint can hold: keep tensors, numbers, "
                            "texts, None, lists, tuples and mappings in the state of an optimiser")  # fmt: skip
        return value, {}
    items = list(value.items()) if kind is dict else list(enumerate(value))
    plain, tensors = [], Tensors()
    for key, part in items:
        below, found = split_state(part, f"{name}/{key}")
        if tensors.keys() & found.keys() or not isinstance(key, str | int | float | None):
            raise SpecError(f"{name} has the key {key!r}, by which no checkpoint can tell its tensors apart")
        plain.append([key, below])
        tensors |= found
    return {kind.__name__: plain}, tensors


def joined_state(plain: Any, tensors: Tensors) -> Any:
    """Inverse of ``split_state``."""
    if not isinstance(plain, dict):
        return plain
    [(kind, content)] = plain.items()
    if kind == "tensor":
        return tensors[content]
    items = {key: joined_state(part, tensors) for key, part in content}
    return items if kind == "dict" else {"list": list, "tuple": tuple}[kind](items.values())
