"""Labelled texts from parquet files under ``SWARMFORMER_DATA`` or from the hub; what several tasks share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmformer.data.task import RawSplit
from swarmformer.errors import DataError, SpecError
from swarmformer.settings import DATA_VARIABLE, data_dir

if TYPE_CHECKING:
    import pyarrow

LIMIT_SEED = 0
BATCH = 8192
"""Rows of a parquet file that are in memory at once."""


def local_folder(name: str, files: Sequence[str], contents: str, otherwise: str) -> Path | None:
    """``$SWARMFORMER_DATA/<name>``, or None where the variable is not set.

    Args:
        files: what must lie there.
        contents: words for the error: what those files hold.
        otherwise: words for the error: where the data comes from without the variable.

    Raises:
        DataError: the variable is set but a file is not there; another source is not taken silently.
    """
    root = data_dir()
    if root is None:
        return None
    missing = [str(root / name / file) for file in files if not (root / name / file).is_file()]
    if missing:
        raise DataError(
            f"{' and '.join(missing)} not found. Put {contents} there, point {DATA_VARIABLE} at the folder "
            f"that holds {name}/, or unset it to use {otherwise}."
        )
    return root / name


def read_columns(path: Path, columns: Sequence[str]) -> pyarrow.Table:
    """Columns of a parquet file.

    Raises:
        DataError: a missing column, or no parquet.
    """
    import pyarrow.parquet

    with _readable(path):
        found = pyarrow.parquet.read_schema(path).names
        missing = [column for column in columns if column not in found]
        if missing:
            raise DataError(f"{path} has no column {', '.join(missing)}; its columns are: {', '.join(found)}")
        return pyarrow.parquet.read_table(path, columns=list(columns))


def parquet_batches(path: Path, columns: Sequence[str]) -> tuple[list[str], Iterator[pyarrow.RecordBatch]]:
    """The names of all columns of a parquet file, and a stream of these, where all are there.

    Raises:
        DataError: no parquet, or texts in it that are not UTF-8; also while streaming.
    """
    import pyarrow.parquet

    with _readable(path):
        file = pyarrow.parquet.ParquetFile(path)
        names = list(file.schema_arrow.names)

    def batches() -> Iterator[pyarrow.RecordBatch]:
        with _readable(path), file:
            yield from file.iter_batches(BATCH, columns=list(columns))

    return names, batches()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{path} holds text that is not UTF-8: {error}. Write the file anew.") from error
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as parquet: {str(error).rstrip('.')}. Replace the file.") from error


def class_labels(values: Sequence[Any], meanings: Sequence[str], origin: Path | str) -> np.ndarray:
    """Labels as int64; ``meanings`` says what each class is.

    Raises:
        DataError: a label that is no class, with its row.
    """
    for row, value in enumerate(values):
        if value not in range(len(meanings)):
            known = ", ".join(f"{index} ({meaning})" for index, meaning in enumerate(meanings))
            raise DataError(f"{origin}, row {row}: label {value!r}, expected one of {known}")
    return np.array(values, dtype=np.int64)


def from_hub(name: str, revision: str, splits: Sequence[str], files: str) -> list[Any]:
    """Splits of a data set of the hub, as tables with columns by name and a length.

    Args:
        files: words for the error: the files to provide instead.

    Raises:
        DataError: the hub cannot be reached.
    """
    import datasets

    try:
        return list(datasets.load_dataset(name, revision=revision, split=list(splits)))
    except Exception as error:  # the hub's client fails in many ways; all mean the same here
        raise DataError(
            f"{name} could not be loaded from the hub ({type(error).__name__}: {error}). "
            f"Without network, set {DATA_VARIABLE} to a folder with {files}."
        ) from error


def check_limit(task: str, limit: int) -> None:
    """Raise SpecError unless ``limit`` is a number of examples, or 0 for all."""
    if limit < 0:
        raise SpecError(f"task {task}: limit must be 0 (everything) or more, got {limit}")


def limit_options(limit: int, whole_test: bool) -> dict[str, Any]:
    """What of the identity of a task ``limited_splits`` decides."""
    return {"limit": limit, "limit_seed": LIMIT_SEED, **({"whole_test": True} if whole_test and limit else {})}


def limited_splits(splits: Mapping[str, RawSplit], limit: int, whole_test: bool) -> dict[str, RawSplit]:
    """``limit`` examples of every split; all of test with ``whole_test``."""
    return {name: limited(split, 0 if whole_test and name == "test" else limit) for name, split in splits.items()}


def limited(split: RawSplit, limit: int) -> RawSplit:
    """``limit`` examples drawn with a fixed seed; all of them where it is 0."""
    if not limit:
        return split
    return split.take(np.random.default_rng(LIMIT_SEED).permutation(len(split))[:limit])
