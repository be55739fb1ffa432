"""IMDb reviews, positive or negative (Maas et al., ACL 2011): 25,000 for training, 25,000 for testing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from swarmformer.data.files import file_hash
from swarmformer.data.sources import (
    check_limit,
    class_labels,
    from_hub,
    limit_options,
    limited,
    limited_splits,
    local_folder,
    read_columns,
)
from swarmformer.data.task import RawSplit, Task
from swarmformer.registry import register

HUB_NAME = "stanfordnlp/imdb"
HUB_REVISION = "e6281661ce1c48d982bc483cf8a173c1bbeb5d31"
SPLITS = ("train", "test")
UNLABELLED = "unsupervised"
MEANINGS = ("negative", "positive")


@register("task", "imdb")
class Imdb(Task):
    """Sentiment of IMDb film reviews, 2 classes, grouped by film where the films are known.

    Reads ``$SWARMFORMER_DATA/imdb/{train,test}.parquet`` (columns ``text`` and ``label``) and, where they
    are there, ``{train,test}_meta.parquet`` (column ``movie``, row for row). Without that folder, the
    hub's ``stanfordnlp/imdb``, which does not tell the films. HTML line breaks stay in the text, as in
    the published models. Reviews without labels, for pretraining, are ``unsupervised.parquet`` (column ``text``) there.

    Args:
        limit: 0 for everything, else so many examples of train and of test, drawn with a fixed seed.
        whole_test: the limit is not for test, which stays whole.
    """

    num_classes = 2
    classes = MEANINGS
    has_unlabelled = True
    test_options = ({"limit": 200},)

    def __init__(self, *, limit: int = 0, whole_test: bool = False) -> None:
        check_limit("imdb", limit)
        self.limit, self.whole_test = limit, whole_test

    def identity(self) -> dict[str, Any]:
        """Options and either the hashes of all files read or the hub's revision."""
        options = limit_options(self.limit, self.whole_test)
        folder = _folder()
        if folder is None:
            return {**options, "hub": HUB_NAME, "revision": HUB_REVISION}
        files = [path for split in SPLITS for path in _files(folder, split) if path.is_file()]
        return {**options, "files": {path.name: file_hash(path) for path in files}}

    def load(self) -> dict[str, RawSplit]:
        folder = _folder()
        splits = _from_hub() if folder is None else {split: _from_files(folder, split) for split in SPLITS}
        return limited_splits(splits, self.limit, self.whole_test)

    def unlabelled(self) -> RawSplit:
        """50,000 more reviews (Maas et al. 2011); twice ``limit`` of them where it is set."""
        folder = _folder(UNLABELLED)
        texts = _unlabelled_from_hub() if folder is None else _unlabelled_from(folder / f"{UNLABELLED}.parquet")
        labels = np.full(len(texts), -1, dtype=np.int64)
        ids = [f"{UNLABELLED}/{row}" for row in range(len(texts))]
        return limited(RawSplit(texts, labels, ids), min(2 * self.limit, len(texts)))

    def unlabelled_identity(self) -> dict[str, Any]:
        folder = _folder(UNLABELLED)
        if folder is None:
            return {"hub": HUB_NAME, "revision": HUB_REVISION}
        return {"file": file_hash(folder / f"{UNLABELLED}.parquet")}


def _unlabelled_from(path: Path) -> list[str]:
    texts: list[str] = read_columns(path, ("text",)).column("text").to_pylist()
    return texts


def _unlabelled_from_hub() -> list[str]:
    return list(from_hub(HUB_NAME, HUB_REVISION, (UNLABELLED,), f"imdb/{UNLABELLED}.parquet")[0]["text"])


def _folder(*more: str) -> Path | None:
    """The local copy, with more files than those of the splits; None where ``SWARMFORMER_DATA`` is not set."""
    files = [f"{split}.parquet" for split in (*SPLITS, *more)]
    return local_folder(
        "imdb", files, "the IMDb reviews as parquet with columns text and label", f"the hub's {HUB_NAME}"
    )


def _files(folder: Path, split: str) -> tuple[Path, Path]:
    """Paths of the reviews and of the films they are about."""
    return folder / f"{split}.parquet", folder / f"{split}_meta.parquet"


def _from_files(folder: Path, split: str) -> RawSplit:
    reviews, films = _files(folder, split)
    table = read_columns(reviews, ("text", "label"))
    groups = read_columns(films, ("movie",)).column("movie").to_pylist() if films.is_file() else None
    return RawSplit(
        texts=table.column("text").to_pylist(),
        labels=class_labels(table.column("label").to_pylist(), MEANINGS, reviews),
        ids=[f"{split}/{row}" for row in range(table.num_rows)],
        groups=groups,
    )


def _from_hub() -> dict[str, RawSplit]:
    tables = from_hub(HUB_NAME, HUB_REVISION, SPLITS, "imdb/train.parquet and imdb/test.parquet")
    return {split: _from_table(table, split) for split, table in zip(SPLITS, tables, strict=True)}


def _from_table(table: Any, split: str) -> RawSplit:
    """One split of ``datasets``: anything with columns by name and a length."""
    return RawSplit(
        texts=list(table["text"]),
        labels=class_labels(list(table["label"]), MEANINGS, f"{HUB_NAME} {split}"),
        ids=[f"{split}/{row}" for row in range(len(table))],
    )
