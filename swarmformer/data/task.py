"""What a task is: raw examples with labels, predictors that any model must beat, and oracles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from swarmformer.data.packed import taken
from swarmformer.data.questions import Questions
from swarmformer.errors import DataError


@dataclass(frozen=True)
class RawSplit:
    """Examples before tokenisation.

    ``ids`` name the examples for ever ("test/17"); ``groups``, where given, are kept
    whole when a validation split is cut (reviews of one film, for instance). There is one label per
    text, int64 [texts]; or, where a task asks at tokens, one for each of ``questions``, int64 [M].
    """

    texts: Sequence[str]
    labels: np.ndarray
    ids: Sequence[str]
    groups: Sequence[str] | None = None
    questions: Questions | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: np.ndarray) -> RawSplit:
        """The examples at ``rows``, in that order."""
        answers = rows if self.questions is None else self.questions.of(rows)[0]
        return RawSplit(
            texts=taken(self.texts, rows),
            labels=np.asarray(self.labels)[answers],
            ids=taken(self.ids, rows),
            groups=None if self.groups is None else [self.groups[row] for row in rows],
            questions=None if self.questions is None else self.questions.take(rows),
        )

    def without_labels(self) -> RawSplit:
        """The same with every label −1: what a predictor may see of a test split."""
        return replace(self, labels=np.full(len(self.labels), -1, dtype=np.int64))


Predictor = Callable[[RawSplit], np.ndarray]
"""Maps a split, whose labels are hidden, to predicted labels, int64, one for each of its labels."""


class Task(ABC):
    """A classification task. Options are the constructor's keyword-only parameters."""

    VERSION: ClassVar[int] = 1
    """As of a component: raised when the same options give other examples, or when a default changes."""
    num_classes: int
    classes: tuple[str, ...] | None = None
    """What each class is called, index = label; None: by its number."""
    per_token: bool = False
    """Asks at positions of its texts (``RawSplit.questions``), not once per text. Needs its own
    ``vocabulary``: positions count its tokens."""
    vocabulary: tuple[str, ...] | None = None
    """Own tokens, index = id, id 0 = padding; texts are these tokens joined by spaces.
    None: ordinary text, encoded by the run's tokenizer."""
    next_token: ClassVar[bool] = False
    """Texts are documents, and asked for is every token of them, told from those before it: their labels (each −1),
    questions and the classes follow from the run's tokenizer, see ``swarmformer.data.running_text``. All three
    splits come from ``load``."""
    stride: int = 0
    """With ``next_token``: how far apart windows of validation and test begin; 0 for side by side."""
    of_places: ClassVar[bool] = False
    """What is asked hangs on where tokens stand, as in a picture: plans then name the arms that cannot tell."""
    without_bags: ClassVar[str] = ""
    """Why bags of tokens (NB-SVM) are no baseline here; "" where they are."""
    has_unlabelled: bool = False
    """Has texts without labels beside its splits; see ``unlabelled``."""
    reads_own_files: ClassVar[bool] = False
    """Its examples are files of the user's, which nobody has looked at yet: a grid's plan reads every split."""
    OUTSIDE_KEY: ClassVar[frozenset[str]] = frozenset()
    """Options that cannot change an example, and are no part of a run's key."""
    title: str = ""
    """What reports call it, where that is not the name it is registered by."""
    test_options: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """Sets of options, small enough to load in a moment, that ``swarmformer.testing`` tries."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """``classes``, or the numbers as text."""
        return self.classes or tuple(map(str, range(self.num_classes)))

    @abstractmethod
    def load(self) -> dict[str, RawSplit]:
        """Return at least ``train`` and ``test``; ``validation`` only where the source has one.

        Raises:
            DataError: where the data is missing or malformed; says how to provide it.
        """

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Everything that determines the examples (options, file hashes, hub revision), as JSON values.

        Called on every start, so it must be quick and must not import what only ``load`` needs.
        """

    def sources(self) -> dict[str, str]:
        """By split, in words, what is read and how, where ``reads_own_files``."""
        return {}

    def unlabelled(self) -> RawSplit:
        """Texts of the same kind without labels (each −1), for pretraining, where ``has_unlabelled``.

        Raises:
            DataError: as ``load``; or the task has none.
        """
        raise DataError(f"task {type(self).__qualname__} has no texts without labels: pretrain on its training texts")

    def unlabelled_identity(self) -> dict[str, Any]:
        """Everything that determines them, as ``identity``.

        Raises:
            DataError: as ``unlabelled``.
        """
        raise DataError(f"task {type(self).__qualname__} has no texts without labels: pretrain on its training texts")

    def num_answers(self, vocab_size: int) -> int:
        """Between how many answers a model chooses, where the run's tokenizer has so many tokens."""
        return vocab_size if self.next_token else self.num_classes

    def trivial_predictors(self, train: RawSplit) -> dict[str, Predictor]:
        """Predictors by name that count labels of ``train``, or fit a linear classifier to it, and no more; the caller
        adds the majority class."""
        return {}

    def oracles(self, train: RawSplit) -> dict[str, Predictor]:
        """Predictors by name that know how the task is made, where it can be known: none can do better."""
        return {}
