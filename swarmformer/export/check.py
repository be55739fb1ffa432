"""Whether what was written gives what the model gives: on random tokens of every kind of length, and on real texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from swarmformer.contracts import Model
from swarmformer.errors import SpecError
from swarmformer.export.formats import Run

TOLERANCE = 1e-4
"""Of logits, between the model and a graph in the same precision."""
ACCURACY = 0.003
"""That int8 may lose."""
ROWS = 16
"""Texts that are compared at once."""

TEXTS = (
    "A quiet, beautiful film. I have watched it three times and would watch it again tomorrow.",
    "Two hours of my life that nobody gives back: no story, no characters, and a camera that never holds still.",
    "Not bad, not good either.",
    "yes",
    "It starts slowly, but once the brother comes home nothing is as it was. The music alone is worth the ticket, "
    "and the ending, which I will not tell, is the best I have seen in years. Go and see it while it is shown.",
    "Ein stiller Film, der lange nachwirkt. C’était magnifique ! 素晴らしい映画でした。 😀👍🏽",
    "<br /><br />SPOILERS!!! 10/10 &amp; http://example.org/?q=1 \t\t … --- ((()))",
    "word " * 400,
)
"""Real texts, where none are given: short, long, of other languages, with marks."""

Rows = Sequence[np.ndarray]
"""Token ids of some texts."""


@dataclass(frozen=True)
class Compared:
    """Largest differences of logits: to the model, and between a text alone and in a batch with longer ones."""

    difference: float
    by_padding: float
    same_labels: float
    """Share of the texts that get the same label as from the model."""
    texts: int


class Checker:
    """Compares runs with a model; ``pad_id`` stands where a batch has no token."""

    def __init__(self, model: Model, pad_id: int) -> None:
        self.model, self.pad_id = model, pad_id

    def random_rows(self, seed: int = 0) -> list[np.ndarray]:
        """Texts of random tokens: the shortest, the longest, those around a multiple of clusters."""
        dims, rng = self.model.dims, np.random.default_rng(seed)
        most, size = dims.seq_len, dims.cluster_size
        around = {size - 1, size, size + 1, 4 * size + 3, most // 2, *rng.integers(1, most + 1, 5)}
        asked = {1, 2, 3, *around, most - 1, most}
        lengths = [int(length) for length in asked if 1 <= length <= most]
        return [rng.integers(0, dims.vocab_size, length) for length in rng.permutation(lengths)]

    def compare(self, run: Run, rows: Rows) -> Compared:
        """In batches of texts of unlike length, and some of them alone.

        Raises:
            SpecError: it gives something else than a model does.
        """
        expected, found = self.answers(self.reference, rows), self.answers(run, rows)
        for model, other in zip(expected, found, strict=True):
            if other.shape != model.shape or not np.isfinite(other).all():
                raise SpecError(f"for {model.shape} logits of the model it gives {other.shape}, or some that are none")
        places = range(0, len(rows), -(-len(rows) // ROWS))
        alone = [self.answers(run, [rows[place]])[0] for place in places]
        labels = [[logits.argmax(-1) for logits in answers] for answers in (expected, found)]
        same = [bool((one == other).all()) for one, other in zip(*labels, strict=True)]
        return Compared(
            difference=_furthest(expected, found),
            by_padding=_furthest(alone, [found[place] for place in places]),
            same_labels=float(np.mean(same)),
            texts=len(rows),
        )

    @torch.inference_mode()
    def reference(self, ids_BN: np.ndarray, mask_BN: np.ndarray) -> np.ndarray:
        """What the model gives; one that pads touch gets all of them, as in training."""
        N, lacks = ids_BN.shape[1], self.model.dims.seq_len - ids_BN.shape[1]
        if not self.model.honours_mask:
            ids_BN = np.pad(ids_BN, ((0, 0), (0, lacks)), constant_values=self.pad_id)
            mask_BN = np.pad(mask_BN, ((0, 0), (0, lacks)))
        logits: np.ndarray = self.model(torch.from_numpy(ids_BN), torch.from_numpy(mask_BN != 0)).float().numpy()
        return logits[:, :N] if self.model.per_token else logits

    def batch(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Padded to the longest."""
        lengths = np.array([len(row) for row in rows])
        mask_BN = np.arange(max(1, lengths.max())) < lengths[:, None]
        ids_BN = np.full(mask_BN.shape, self.pad_id, dtype=np.int64)
        ids_BN[mask_BN] = np.concatenate(list(rows))
        return ids_BN, mask_BN.astype(np.int64)

    def answers(self, run: Run, rows: Rows) -> list[np.ndarray]:
        """Logits of each text: [K], or [N, K] of a model that answers at tokens."""
        found: list[np.ndarray] = []
        for start in range(0, len(rows), ROWS):
            some = rows[start : start + ROWS]
            logits = run(*self.batch(some))
            found += [row[: len(ids)] if logits.ndim == 3 else row for ids, row in zip(some, logits, strict=True)]
        return found


def _furthest(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    return max(float(np.abs(one - other).max()) for one, other in zip(some, others, strict=True))
