"""The contract of the ``text_augmentation`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from swarmformer.data.task import RawSplit


class Added(NamedTuple):
    """A text to add to training, and the rows of the texts that it was made of; they have one label, which it takes."""

    text: str
    origins: tuple[int, ...]


class TextAugmentation(ABC):
    """Training texts → more training texts, once, before anything is encoded.

    It sees the training split alone, as it is after validation was cut off, and leaves it as it is. It draws from
    ``rng`` alone, which is seeded by ``data.split_seed`` and its name.
    """

    slot: ClassVar[str] = ""
    registered_name: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1
    test_options: ClassVar[tuple[Mapping[str, Any], ...]] = ()

    @abstractmethod
    def added(self, train: RawSplit, rng: np.random.Generator) -> Iterator[Added]:
        """The texts to add.

        Raises:
            DataError: a file that it needs is not there; says how to provide it.
        """

    def identity(self) -> dict[str, Any]:
        """What determines the texts beside its options (hashes of files), as JSON values; quick: every start asks.

        Raises:
            DataError: as ``added``.
        """
        return {}
