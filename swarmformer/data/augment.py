"""The training split with the texts that augmentations of texts add to it."""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from swarmformer.contracts.text_augmentation import Added, TextAugmentation
from swarmformer.data.leakage import HeldOut
from swarmformer.data.task import RawSplit, Task
from swarmformer.errors import DataError, SpecError

logger = logging.getLogger("swarmformer.data")
NAME = re.compile(r".+#\d+\((?P<origins>.+)\)", re.DOTALL)
BETWEEN = " & "


class Chosen(NamedTuple):
    """An augmentation with its options and version, as they stand in a run key."""

    made: TextAugmentation
    content: Mapping[str, Any]

    def identity(self) -> dict[str, Any]:
        """What determines the texts that it adds: files too."""
        return {**self.content, **self.made.identity()}


Augmentations = Mapping[str, Chosen]
"""By name; each sees the training texts themselves, not what another added."""


def check_text(task: Task, name: str, augment: Iterable[str]) -> None:
    """Raise SpecError where a task has no text that could be augmented."""
    if (names := list(augment)) and task.vocabulary is not None:
        raise SpecError(
            f"task {name!r} has tokens of its own and no text: {', '.join(names)} cannot change it; leave "
            "data.augment out (train.augmentation changes tokens)",
            path=("data", "augment"),
        )
    if names and task.next_token:
        raise SpecError(
            f"task {name!r} predicts running text, in whose place {', '.join(names)} would put another: leave "
            "data.augment out",
            path=("data", "augment"),
        )


def augmented(
    train: RawSplit, augmentations: Augmentations, held_out: HeldOut, seed: int
) -> tuple[RawSplit, dict[str, int]]:
    """The training split with what is added at its end, and how many texts each augmentation added.

    A text that is, after normalisation, one of validation or test is not added: a shuffled text can come out as such.
    Added ids name their origins; see ``origins``.

    Raises:
        DataError: texts of two labels were put together, or a file is missing.
    """
    labels = np.asarray(train.labels)
    texts, added_labels, ids = list(train.texts), list[int](), list(train.ids)
    counts = {}
    for name in sorted(augmentations):
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        found = [new for new in augmentations[name].made.added(train, rng) if new.text not in held_out]
        for number, new in enumerate(found):
            texts.append(new.text)
            added_labels.append(_label(name, new, labels))
            ids.append(f"{name}#{number}({BETWEEN.join(train.ids[row] for row in new.origins)})")
        counts[name] = len(found)
        logger.info("%s added %d texts to %d", name, len(found), len(train))
    return RawSplit(texts, np.concatenate([labels, np.array(added_labels, dtype=np.int64)]), ids), counts


def _label(name: str, new: Added, labels: np.ndarray) -> int:
    found = set(labels[list(new.origins)].tolist())
    if len(found) != 1:
        raise DataError(f"text augmentation {name} put texts of {len(found)} labels together: {new.text[:80]!r}")
    return int(found.pop())


def is_added(example: str) -> bool:
    """Whether an augmentation added the training text of this id."""
    return NAME.fullmatch(example) is not None


def origins(example: str) -> tuple[str, ...]:
    """The ids of the training texts that an example was made of: its own, unless an augmentation added it."""
    match = NAME.fullmatch(example)
    return tuple(match["origins"].split(BETWEEN)) if match else (example,)
