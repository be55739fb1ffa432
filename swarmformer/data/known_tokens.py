"""Token ids of texts that are encoded once, however often they are drawn and cut: found again by what the texts are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock

from swarmformer.data.array_store import read_arrays, write_arrays
from swarmformer.data.cut import CHUNK
from swarmformer.data.leakage import fingerprints
from swarmformer.data.packed import Spool, offsets_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, eq=False)
class KnownTokens:
    """Texts by their fingerprints, S16 [n], rising; text i has the ids ``ids[offsets[i]:offsets[i + 1]]``, uncut."""

    prints: np.ndarray
    offsets: np.ndarray
    ids: np.ndarray

    def rows(self, texts: Sequence[str], tokenizer: Tokenizer) -> list[Sequence[int] | np.ndarray]:
        """The ids of each text; those of a text that is not known are made."""
        marks = fingerprints(texts)
        places = np.searchsorted(self.prints, marks).clip(max=max(0, len(self.prints) - 1))
        known = self.prints[places] == marks if len(self.prints) else np.zeros(len(marks), dtype=bool)
        new = iter(tokenizer.encode_batch_fast([texts[row] for row in np.flatnonzero(~known).tolist()]))
        bounds = zip(known.tolist(), self.offsets[places].tolist(), self.offsets[places + 1].tolist(), strict=True)
        return [self.ids[start:end] if is_known else next(new).ids for is_known, start, end in bounds]


NONE = KnownTokens(np.empty(0, dtype="S16"), np.zeros(2, dtype=np.int64), np.empty(0, dtype=np.int32))


def known_tokens(folder: Path, splits: Iterable[Sequence[str]], tokenizer: Tokenizer) -> KnownTokens:
    """What a folder of the cache knows; where it is not there yet, it is made of the texts of these splits.

    Raises:
        DataError: the folder is damaged, or cannot be written.
    """
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            write_arrays(folder, _encoded(splits, tokenizer), {})
    arrays, _ = read_arrays(folder)
    return KnownTokens(arrays["prints"], arrays["offsets"], arrays["ids"])


def _encoded(splits: Iterable[Sequence[str]], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    tokenizer.no_truncation()
    prints, lengths, ids = Spool("S16"), Spool(np.int64), Spool(np.int32)
    for texts in splits:
        for start in range(0, len(texts), CHUNK):
            part = texts[start : start + CHUNK]
            prints.add(fingerprints(part))
            rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(part)]
            lengths.add(np.array([len(row) for row in rows], dtype=np.int64))
            ids.add(np.concatenate([np.array(row, dtype=np.int32) for row in rows]))
    return _sorted(prints.array(), offsets_of(lengths.array()), ids.array())


def _sorted(prints: np.ndarray, offsets: np.ndarray, ids: np.ndarray) -> dict[str, np.ndarray]:
    """By fingerprint, each text once."""
    kept, rows = np.unique(prints, return_index=True)
    gathered = Spool(np.int32)
    for row in rows.tolist():
        gathered.add(ids[offsets[row] : offsets[row + 1]])
    return {"prints": kept, "offsets": offsets_of(np.diff(offsets)[rows]), "ids": gathered.array()}
