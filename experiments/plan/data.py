"""Files of the user's own, read before anything runs: faults are found there, and classes that a split lacks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from swarmformer.assembly import trains_on_unlabelled
from swarmformer.data.split import load_only_test, load_splits
from swarmformer.data.task import RawSplit, Task
from swarmformer.errors import DataError, SpecError
from swarmformer.spec import RunSpec
from swarmformer.variants import make_out_of_domain, make_task

from ..data import load_data
from ..plan.plan import Plan

MOST_CLASSES = 30
"""Rows of a table of classes."""


def read_data(plan: Plan) -> list[str]:
    """Read every split of every arm whose task ``reads_own_files``, each data once; lines that say what was found.

    Where every run draws its own split, it is that of the first seed.

    Raises:
        SpecError: a fault in the data, naming the grid and the arm.
    """
    lines: dict[str, list[str]] = {}
    for arm in plan.arms:
        key = arm.spec.data.model_dump_json()
        if key not in lines:
            try:
                lines[key] = read_own(arm.spec)
            except DataError as error:
                raise SpecError(f"{arm.place}: {error}") from error
    return [line for found in lines.values() for line in found]


def cut_texts(plan: Plan) -> list[str]:
    """Lines that say how many of the texts that ``read_data`` has read ``seq_len`` cuts: of every length, once."""
    lines: dict[str, list[str]] = {}
    for arm in plan.arms:
        seq_len, task = arm.spec.model.dims.seq_len, make_task(arm.spec.data)
        key = f"{seq_len} {arm.spec.data.model_dump_json()}"
        if task.reads_own_files and key not in lines:
            splits = load_data(arm.spec).splits
            counts = ", ".join(f"{split.truncated:,} of {len(split):,} {name}" for name, split in splits.items())
            some = any(split.truncated for split in splits.values())
            lines[key] = [f"longer than seq_len {seq_len} and cut: {counts} texts"] if some else []
    return [line for found in lines.values() for line in found]


def read_own(spec: RunSpec) -> list[str]:
    """The same of one run.

    Raises:
        DataError: a fault in the data.
    """
    task = make_task(spec.data)
    return [*(_read(task, spec) if task.reads_own_files else ()), *_others(spec)]


def _others(spec: RunSpec) -> Iterator[str]:
    """Of the other tasks that runs are asked about."""
    for name, other in make_out_of_domain(spec.data).items():
        if other.reads_own_files:
            try:
                test = load_only_test(other)
            except DataError as error:
                raise DataError(f"data.out_of_domain, {name}: {error}") from error
            yield f"asked too: {name}, {len(test):,} texts"


def _read(task: Task, spec: RunSpec) -> Iterator[str]:
    splits = load_splits(task, **spec.data.draw(spec.seed))
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
