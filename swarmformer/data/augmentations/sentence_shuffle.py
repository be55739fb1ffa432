"""Texts again with their sentences in another order."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from swarmformer.contracts.component import Probability
from swarmformer.contracts.text_augmentation import Added, TextAugmentation
from swarmformer.data.task import RawSplit
from swarmformer.registry import register

END = re.compile(r"""(?:(?<=[.!?])|(?<=[.!?]["'”’)\]]))\s+(?=<|["'“‘(\[]*[^\Wa-z_])""")
"""White space after a full stop, exclamation or question mark, closing quotes or brackets included, where what follows
is a tag or does not start with a small letter."""
ABBREVIATED = re.compile(r"(?:^|[\s(\"'])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|No|Vol|Lt|Sgt|Capt|Gen|Col)\.$")
"""How a piece ends whose full stop ends no sentence."""


@register("text_augmentation", "sentence_shuffle")
class SentenceShuffle(TextAugmentation):
    """Some texts again with their sentences shuffled, many pairs of neighbours kept together (Legg & Sturmanis 2025).

    Options:
        p: probability that a text is taken.
        pair_p: from the front of the text, the next two sentences are taken together with this probability, else the
            next one alone, until none is left; what was taken is shuffled. So of neighbours about p / (1 + p) are kept
            together, 41 % at 0.7, beside those that come together again by chance.
        faults: as published, a text of one or two sentences is added too, unchanged; else it is passed over.
    """

    def __init__(self, *, p: Probability = 0.3, pair_p: Probability = 0.7, faults: bool = False) -> None:
        self.p, self.pair_p, self.faults = p, pair_p, faults

    def added(self, train: RawSplit, rng: np.random.Generator) -> Iterator[Added]:
        for row in np.flatnonzero(rng.random(len(train)) < self.p).tolist():
            text = self._shuffled(train.texts[row], rng)
            if self.faults or text != train.texts[row]:
                yield Added(text, (row,))

    def _shuffled(self, text: str, rng: np.random.Generator) -> str:
        parts = sentences(text)
        if len(parts) <= 2:
            return text
        chunks: list[list[str]] = []
        while parts:
            size = 2 if len(parts) > 1 and rng.random() < self.pair_p else 1
            chunks.append(parts[:size])
            parts = parts[size:]
        return " ".join(sentence for chunk in rng.permutation(len(chunks)) for sentence in chunks[chunk])


def sentences(text: str) -> list[str]:
    """The sentences of a text, without the white space between them."""
    found: list[str] = []
    for piece in END.split(text.strip()):
        if found and ABBREVIATED.search(found[-1]):
            found[-1] += f" {piece}"
        else:
            found.append(piece)
    return found
