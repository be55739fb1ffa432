"""Classes: from labels as files have them to names and order, what looks like a slip of the pen, and those that two
tasks share."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swarmformer.data.task import Task
from swarmformer.errors import DataError, SpecError

logger = logging.getLogger("swarmformer.data")

MANY = 20
"""Classes from which on a label for every other row is taken for another column."""
TRUTH = ("true", "false")
MISSING = ("nan", "none", "null", "na", "n/a", "<na>")
"""How libraries write that there is no label."""
Written = dict[str, dict[str, str]]
"""Class → the ways in which it is written → the first place of each."""


@dataclass(frozen=True)
class Classes:
    """names: index = class. rewritten: some label stands in the file otherwise than its class is named."""

    names: tuple[str, ...]
    rewritten: bool


def label_of(value: Any, place: str, column: str) -> str:
    """A label or group as text: 1 is the same in CSV and JSON, and so is true in any case; spaces around it are not
    part of it, and its letters are in their composed form (NFC).

    Raises:
        DataError: it is empty or no label.
    """
    name = unicodedata.normalize("NFC", _plain(value)) if _is_label(value) else ""
    if not name:
        raise DataError(f"{place}: {column!r} is {value!r}, expected text, a whole number or true/false; mend the row "
                        "or leave it out")  # fmt: skip
    return name.lower() if name.lower() in TRUTH else name


def some_of(classes: Sequence[str]) -> str:
    """The first twenty, for an error."""
    return ", ".join(classes[:20]) + (", …" if len(classes) > 20 else "")


def _is_label(value: Any) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and value.is_integer())


def _plain(value: Any) -> str:
    """As it is written, but for spaces around it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value) if isinstance(value, float) else value).strip()


def find_classes(labels: Iterable[tuple[str, Any]], column: str, origin: str) -> Classes:
    """The classes among labels with their places, in order: by value where all are whole numbers, else by name.

    Names that differ in case alone, or in nothing that can be seen, are told.

    Args:
        origin: words for errors: where the labels come from.

    Raises:
        DataError: as ``label_of``; fewer than two classes; as many as a column of labels cannot have.
    """
    written: Written = {}
    rows = 0
    for place, value in labels:
        rows += 1
        written.setdefault(label_of(value, place, column), {}).setdefault(_plain(value), place)
    if len(written) < 2:
        only = f" ({', '.join(map(repr, written))})" if written else ""
        raise DataError(f"{origin}: column {column!r} has {len(written)} different labels{only}; at least 2 are needed")
    if len(written) > MANY and len(written) > rows / 2:
        raise DataError(f"{origin}: column {column!r} has {len(written)} different labels in {rows} rows, so it is no "
                        "column of labels; name another in data.task.label")  # fmt: skip
    _tell_of_twins(written)
    return Classes(_in_order(written), any(set(ways) != {name} for name, ways in written.items()))


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    except ValueError:
        return tuple(sorted(names))


def _tell_of_twins(written: Mapping[str, Mapping[str, str]]) -> None:
    alike: dict[str, list[str]] = {}
    for name, ways in written.items():
        alike.setdefault(_looks(name), []).append(name)
        if len(ways) > 1 and name not in TRUTH:
            places = "; ".join(f"{way!a} in {place}" for way, place in ways.items())
            logger.warning("label %r is written in several normal forms (%s): taken as one class", name, places)
        if name.casefold() in MISSING:
            logger.warning("class %r, first in %s, is how a missing label is written, and is learned as a class; leave "
                           "such rows out if it is none", name, next(iter(ways.values())))  # fmt: skip
    for names in alike.values():
        if len(names) > 1:
            places = "; ".join(f"{name!a} first in {next(iter(written[name].values()))}" for name in names)
            logger.warning("%d classes look alike, and stay apart: %s. Write them alike where one is meant",
                           len(names), places)  # fmt: skip


def _looks(name: str) -> str:
    """A name without case, spaces, and what cannot be seen; of a whole number without decimals that are none."""
    folded = re.sub(r"^(-?\d+)\.0+$", r"\1", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in folded if unicodedata.category(letter) not in ("Cf", "Zs", "Cc"))


def own_classes(task: Task, classes: Sequence[str], name: str) -> np.ndarray:
    """Which of ``classes`` each label of a task is, int64 [K].

    Raises:
        SpecError: it has other classes, or asks at tokens.
    """
    if task.per_token:
        raise SpecError(f"task {name!r} asks at tokens, and the model answers once for a text")
    names = task.class_names
    if set(names) != set(classes):
        raise SpecError(f"task {name!r} has classes {', '.join(names[:20])}, but the model knows "
                        f"{', '.join(classes[:20])}")  # fmt: skip
    return np.array([classes.index(one) for one in names], dtype=np.int64)


def check_readable(task: Task, other: Task, name: str) -> None:
    """Raise SpecError where what is trained on ``task`` cannot answer the task ``other``, called ``name``."""
    if task.per_token or task.next_token:
        raise SpecError("a model that answers at tokens has no other task of the same classes: leave it out")
    own_classes(other, task.class_names, name)
    if task.vocabulary != other.vocabulary:
        raise SpecError(f"task {name!r} has other tokens than the run's: one that is written in the same can be asked")
