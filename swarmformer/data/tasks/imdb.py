"""IMDb reviews, positive or negative (Maas et al., ACL 2011): 25,000 for training, 25,000 for testing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmformer.data.files import file_hash
from swarmformer.data.task import RawSplit, Task
from swarmformer.errors import DataError, SpecError
from swarmformer.registry import register
from swarmformer.settings import DATA_VARIABLE, data_dir

if TYPE_CHECKING:
    import pyarrow

HUB_NAME = "stanfordnlp/imdb"
HUB_REVISION = "e6281661ce1c48d982bc483cf8a173c1bbeb5d31"
SPLITS = ("train", "test")
LIMIT_SEED = 0


@register("task", "imdb")
class Imdb(Task):
    """Sentiment of IMDb film reviews, 2 classes, grouped by film where the films are known.

    Reads ``$SWARMFORMER_DATA/imdb/{train,test}.parquet`` (columns ``text`` and ``label``) and, where they
    are there, ``{train,test}_meta.parquet`` (column ``movie``, row for row). Without that folder, the
    hub's ``stanfordnlp/imdb``, which does not tell the films. HTML line breaks stay in the text, as in
    the published models.

    Args:
        limit: 0 for everything, else so many examples of train and of test, drawn with a fixed seed.
    """

    num_classes = 2
    test_options = ({"limit": 200},)

    def __init__(self, *, limit: int = 0) -> None:
        if limit < 0:
            raise SpecError(f"task imdb: limit must be 0 (everything) or more, got {limit}")
        self.limit = limit

    def identity(self) -> dict[str, Any]:
        """Options and either the hashes of all files read or the hub's revision."""
        options = {"limit": self.limit, "limit_seed": LIMIT_SEED}
        folder = _folder()
        if folder is None:
            return {**options, "hub": HUB_NAME, "revision": HUB_REVISION}
        files = [path for split in SPLITS for path in _files(folder, split) if path.is_file()]
        return {**options, "files": {path.name: file_hash(path) for path in files}}

    def load(self) -> dict[str, RawSplit]:
        folder = _folder()
        splits = _from_hub() if folder is None else {split: _from_files(folder, split) for split in SPLITS}
        return {name: self._limited(split) for name, split in splits.items()}

    def _limited(self, split: RawSplit) -> RawSplit:
        if not self.limit:
            return split
        return split.take(np.random.default_rng(LIMIT_SEED).permutation(len(split))[: self.limit])


def _folder() -> Path | None:
    """The local copy, or None where ``SWARMFORMER_DATA`` is not set.

    Raises:
        DataError: the variable is set but the files are not there; another source is not taken silently.
    """
    root = data_dir()
    if root is None:
        return None
    folder = root / "imdb"
    missing = [str(path) for path in (_files(folder, split)[0] for split in SPLITS) if not path.is_file()]
    if missing:
        raise DataError(
            f"{' and '.join(missing)} not found. Put the IMDb reviews there as parquet "
            f"with columns text and label, point {DATA_VARIABLE} at the folder that holds imdb/, "
            f"or unset it to use the hub's {HUB_NAME}."
        )
    return folder


def _files(folder: Path, split: str) -> tuple[Path, Path]:
    """Paths of the reviews and of the films they are about."""
    return folder / f"{split}.parquet", folder / f"{split}_meta.parquet"


def _from_files(folder: Path, split: str) -> RawSplit:
    reviews, films = _files(folder, split)
    table = _read(reviews, ("text", "label"))
    groups = _read(films, ("movie",)).column("movie").to_pylist() if films.is_file() else None
    return RawSplit(
        texts=table.column("text").to_pylist(),
        labels=_labels(table.column("label").to_pylist(), reviews),
        ids=[f"{split}/{row}" for row in range(table.num_rows)],
        groups=groups,
    )


def _read(path: Path, columns: tuple[str, ...]) -> pyarrow.Table:
    import pyarrow
    import pyarrow.parquet

    try:
        found = pyarrow.parquet.read_schema(path).names
        missing = [column for column in columns if column not in found]
        if missing:
            raise DataError(f"{path} has no column {', '.join(missing)}; its columns are: {', '.join(found)}")
        return pyarrow.parquet.read_table(path, columns=list(columns))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as parquet: {error}. Replace the file.") from error


def _labels(values: list[Any], origin: Path | str) -> np.ndarray:
    for row, value in enumerate(values):
        if value not in (0, 1):
            raise DataError(f"{origin}, row {row}: label {value!r}, expected 0 (negative) or 1 (positive)")
    return np.array(values, dtype=np.int64)


def _from_hub() -> dict[str, RawSplit]:
    import datasets

    try:
        tables = datasets.load_dataset(HUB_NAME, revision=HUB_REVISION, split=list(SPLITS))
    except Exception as error:  # the hub's client fails in many ways; all mean the same here
        raise DataError(
            f"{HUB_NAME} could not be loaded from the hub ({type(error).__name__}: {error}). "
            f"Without network, set {DATA_VARIABLE} to a folder with imdb/train.parquet and imdb/test.parquet."
        ) from error
    return {split: _from_table(table, split) for split, table in zip(SPLITS, tables, strict=True)}


def _from_table(table: Any, split: str) -> RawSplit:
    """One split of ``datasets``: anything with columns by name and a length."""
    return RawSplit(
        texts=list(table["text"]),
        labels=_labels(list(table["label"]), f"{HUB_NAME} {split}"),
        ids=[f"{split}/{row}" for row in range(len(table))],
    )
