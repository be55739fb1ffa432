"""Files of the user's own, read before anything runs: faults are found there, classes that a split lacks, texts without
a token, and copies between splits."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from swarmformer.assembly import trains_on_unlabelled
from swarmformer.data.augment import is_added
from swarmformer.data.encoded import EncodedData, Split
from swarmformer.data.split import load_only_test, load_splits
from swarmformer.data.task import RawSplit, Task
from swarmformer.errors import DataError, SpecError, listed
from swarmformer.spec import RunSpec
from swarmformer.variants import make_out_of_domain, make_task

from ..data import load_data
from ..plan.plan import Plan

MOST_CLASSES = 30
"""Rows of a table of classes."""
SplitIds = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Found:
    """What was read, in lines; and what of it a comparison must not overlook."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_data(plan: Plan) -> Found:
    """Read and encode every split of every arm whose task ``reads_own_files``, each data once.

    Where every run draws its own split, it is that of the first seed.

    Raises:
        SpecError: a fault in the data, naming the grid and the arm.
    """
    read: dict[str, tuple[list[str], SplitIds]] = {}
    encoded: dict[str, Found] = {}
    with _told_once():
        for arm in plan.arms:
            data, seq_len = arm.spec.data.model_dump_json(), arm.spec.model.dims.seq_len
            try:
                if data not in read:
                    read[data] = _read(arm.spec)
                if (place := f"{seq_len} {data}") not in encoded:
                    encoded[place] = _encoded(arm.spec, read[data][1])
            except DataError as error:
                raise SpecError(f"{arm.place}: {error}") from error
    lines = [line for of_data, _ in read.values() for line in of_data]
    lines += [line for found in encoded.values() for line in found.lines]
    return Found(lines, list(dict.fromkeys(line for found in encoded.values() for line in found.warnings)))


def read_own(spec: RunSpec) -> Found:
    """The same of one run.

    Raises:
        DataError: a fault in the data.
    """
    with _told_once():
        lines, blank = _read(spec)
        found = _encoded(spec, blank)
    return Found(lines + found.lines, found.warnings)


@contextmanager
def _told_once() -> Iterator[None]:
    """Meanwhile nothing that reading logs is logged again when the same files are read to be encoded."""
    told, logger = set[str](), logging.getLogger("swarmformer.data")

    def is_new(record: logging.LogRecord) -> bool:
        before = len(told)
        told.add(record.getMessage())
        return len(told) > before

    logger.addFilter(is_new)
    try:
        yield
    finally:
        logger.removeFilter(is_new)


def _read(spec: RunSpec) -> tuple[list[str], SplitIds]:
    """Lines on the files, and the ids of blank texts by split."""
    task = make_task(spec.data)
    lines, blank = list[str](), dict[str, list[str]]()
    if task.reads_own_files:
        splits = load_splits(task, **spec.data.draw(spec.seed))
        lines += _described(task, splits, spec)
        blank = {name: [one for text, one in zip(split.texts, split.ids, strict=True) if not text.strip()]
                 for name, split in splits.items()}  # fmt: skip
    return [*lines, *_others(spec)], blank


def _others(spec: RunSpec) -> Iterator[str]:
    """Of the other tasks that runs are asked about."""
    for name, other in make_out_of_domain(spec.data).items():
        if other.reads_own_files:
            try:
                test = load_only_test(other)
            except DataError as error:
                raise DataError(f"data.out_of_domain, {name}: {error}") from error
            yield f"asked too: {name}, {len(test):,} texts"


def _described(task: Task, splits: dict[str, RawSplit], spec: RunSpec) -> Iterator[str]:
    yield from (f"{split} of {task.title or 'files'}: {source}" for split, source in task.sources().items())
    yield from _table(task, splits)
    if any(trains_on_unlabelled(stage) for stage in spec.train.stages):
        yield f"read {len(task.unlabelled()):,} texts without labels"


def _table(task: Task, splits: dict[str, RawSplit]) -> Iterator[str]:
    counts = {name: np.bincount(split.labels, minlength=task.num_classes) for name, split in splits.items()}
    yield f"{'class':40}" + "".join(f"{name:>12}" for name in splits)
    for label, name in enumerate(task.class_names[:MOST_CLASSES]):
        yield f"{name:40}" + "".join(f"{count[label]:12,}" for count in counts.values())
    if task.num_classes > MOST_CLASSES:
        yield f"and {task.num_classes - MOST_CLASSES} more classes"
    yield f"{'all':40}" + "".join(f"{count.sum():12,}" for count in counts.values())


def _encoded(spec: RunSpec, blank: SplitIds) -> Found:
    """What is known of own files once they are tokens: what is cut, what has none, and what stands in two splits."""
    if not make_task(spec.data).reads_own_files:
        return Found()
    data = load_data(spec)
    empty = {name: {*_tokenless(split, data.special), *blank[name]} for name, split in data.splits.items()}
    return Found(list(_cut(data, spec.model.dims.seq_len)), [
        *(_of_empty(name, [one for one in data.splits[name].names.tolist() if one in ids])
          for name, ids in empty.items() if ids), *_of_copies(data, spec),
    ])  # fmt: skip


def _cut(data: EncodedData, seq_len: int) -> Iterator[str]:
    counts = ", ".join(f"{split.truncated:,} of {len(split):,} {name}" for name, split in data.splits.items())
    if any(split.truncated for split in data.splits.values()):
        yield f"longer than seq_len {seq_len} and cut: {counts} texts"


def _tokenless(split: Split, special: Sequence[int]) -> list[str]:
    """Ids of the examples of a source that are nothing but what every text begins and ends with."""
    found = list[int]()
    for length in range(len(special) + 1):  # only short ones are looked at: all tokens may be more than memory holds
        rows = np.flatnonzero(split.lengths == length)
        tokens_RL = split.ids[split.offsets[rows][:, None] + np.arange(length)]
        found += rows[np.isin(tokens_RL, special).all(axis=1)].tolist()
    return [name for name in split.names[found].tolist() if not is_added(name)]


def _of_empty(split: str, ids: Sequence[str]) -> str:
    source, numbers = ids[0].rpartition("/")[0], [one.rpartition("/")[2] for one in ids]
    one, where = len(ids) == 1, f"examples {listed(ids)}"
    if all(number.isdecimal() for number in numbers):
        rows = listed([int(number) + 1 for number in numbers])
        where = f"{'row' if one else 'rows'} {rows} of the files of {source}, without header and empty lines"
    what = f"text of {split} is empty or becomes" if one else f"texts of {split} are empty or become"
    return (f"{len(ids):,} {what} no token ({where}): such texts are kept with their labels, though nothing can be "
            "read in them; fill them in, or take the rows out")  # fmt: skip


def _of_copies(data: EncodedData, spec: RunSpec) -> Iterator[str]:
    shared = {split: data.facts["shared"][f"train in {split}"] for split in ("validation", "test")}
    found = {split: (count["normalised"], count["exact"]) for split, count in shared.items() if count["normalised"]}
    if found and spec.data.duplicates == "keep":
        counts = ", ".join(f"{written:,} in {split} ({exact:,} exactly)" for split, (written, exact) in found.items())
        others = any(written > exact for written, exact in found.values())
        said = counts + "; the others differ in case, spaces or punctuation alone" * others
        yield (f"texts of train that stand in another split too: {said}. A model is asked there what it has seen, "
               "which looks like accuracy; data.duplicates: drop leaves such texts out of training")  # fmt: skip
