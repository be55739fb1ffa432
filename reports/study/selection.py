"""What runs record of their data and of how they read the test split, held against their curves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmformer.errors import listed
from swarmformer.records import (
    CONFIG,
    Config,
    DataFacts,
    Result,
    TestLine,
    UnreadableFileError,
    ValidationLine,
    load,
    read_curve,
)

from ..words import percent, plural
from .grid import Cell

SUPERVISED = "supervised"
"""The stage whose best epoch is the first of the highest validation accuracy, or of the smallest loss."""


@dataclass(frozen=True)
class Checked:
    """A completed run that says how often test was read; ``fault``: what its curve has against it, or nothing."""

    where: str
    result: Result
    fault: str


def checked_selection(grid: Path, cells: Iterable[Cell]) -> list[Checked]:
    """Every curve read once and held against its result; older runs do not say how often test was read."""
    recorded = [(cell, cell.result) for cell in cells if cell.result and cell.result.test_readings is not None]
    return [Checked(cell.where, result, selection_fault(result, grid / cell.where.partition("/")[2], cell.train))
            for cell, result in recorded]  # fmt: skip


def selection_warnings(checked: Iterable[Checked]) -> Iterator[str]:
    """Runs that cannot prove that test was read once, after validation had chosen."""
    yield from (f"{run.where}: {run.fault}; its test figures may be selected on test." for run in checked if run.fault)


def selection_fault(result: Result, folder: Path, train: Mapping[str, Any] | None = None) -> str:
    """What a run's curve has against its result, or nothing.

    A run that was stopped between its reading and its result reads again, the same weights: that chooses nothing.
    ``train``: how it was trained, where its config.json was read before.
    """
    try:
        curve = read_curve(folder, result)
        stages = (train or load(folder / CONFIG, Config).spec.train).get("stages") or [{"name": SUPERVISED}]
    except UnreadableFileError as error:
        return f"nothing proves how test was read: {error.reason}"
    tests = [(line.step, line.epoch, line.accuracy) for line in curve
             if isinstance(line, TestLine) and line.kind == "test"]  # fmt: skip
    if len(tests) != result.test_readings:
        return f"its result counts {result.test_readings} readings of the test split, its curve {len(tests)}"
    if set(tests) != {(result.steps, result.best_epoch, result.metrics.test.accuracy)}:
        return "its curve shows readings of the test split other than one of the epoch chosen, after the last step"
    validations = [line for line in curve if isinstance(line, ValidationLine)]
    if stages[-1]["name"] == SUPERVISED and validations:
        by = stages[-1].get("by", "accuracy")
        best = max(validations, key=lambda line: line.accuracy if by == "accuracy" else -line.loss)
        if best.epoch != result.best_epoch:
            return f"epoch {result.best_epoch} was tested, but epoch {best.epoch} has the best validation {by}"
    return ""


ONCE = "the test split was read once"
ALSO_READ = "the result is of one reading of the test split"


def selection_notes(checked: Iterable[Checked]) -> Iterator[str]:
    """What runs prove, and what was read otherwise beside it."""
    results = [run.result for run in checked if not run.fault]
    also = any(result.published_reading for result in results)
    if results:
        yield (
            f"In {plural(len(results), 'run')} {ALSO_READ if also else ONCE}, with the weights of the epoch that "
            "validation chose; their curves were checked for it."
        )
    yield from _published_readings(results)
    of_data = [result for result in results if result.data is not None]
    yield from _split_notes(of_data)
    yield from _copies([result.data for result in of_data if result.data is not None])
    yield from _added(results)


def _published_readings(results: Iterable[Result]) -> Iterator[str]:
    read = [
        f"{result.arm} with seed {result.seed} {percent(one.accuracy)} (best of {one.readings}, epoch {one.epoch})"
        for result in results if (one := result.published_reading) is not None
    ]  # fmt: skip
    if read:
        yield f"Read after each epoch beside it, as the authors read it, and no result: {listed(read)}."


def _added(results: Sequence[Result]) -> Iterator[str]:
    """What augmentations added, by arm."""
    arms: dict[str, list[DataFacts]] = {}
    for result in results:
        if result.data is not None and result.data.added:
            arms.setdefault(result.arm, []).append(result.data)
    said = []
    for arm, facts in arms.items():
        counts = [f"{name} {_range(one.added.get(name, 0) for one in facts)}" for name in facts[0].added]
        said.append(f"{arm} ({', '.join(counts)})")
    if said:
        yield f"Texts added to training: {listed(said)}."


def _split_notes(results: Sequence[Result]) -> Iterator[str]:
    """What of the draw of the data the seeds vary."""
    if any(result.data.redrawn for result in results if result.data):
        yield (
            "Training and validation were parted anew with each seed, alike for all arms: what seeds show of variation "
            "covers that too (Bouthillier et al. 2021)."
        )
    elif len({result.seed for result in results}) > 1:
        yield (
            "All seeds have one split: what they show of variation is of initialisation and order, not of the draw of "
            "the examples."
        )


def _copies(facts: Sequence[DataFacts]) -> Iterator[str]:
    """Copies between splits and what was done with them, and empty texts, as a range where splits differ."""
    pairs = {pair for one in facts for pair, count in one.shared.items() if count.exact or count.normalised}
    said = [
        f"{pair} {_range(one.shared[pair].exact for one in facts)} "
        f"({_range(one.shared[pair].normalised for one in facts)} after normalisation)"
        for pair in sorted(pairs)
    ]
    if said:
        dropped = {one.dropped for one in facts}
        fate = f"{_range(dropped)} were left out of training" if any(dropped) else "all were kept"
        yield f"Texts of one split that also stand in another: {'; '.join(said)}; {fate}."
    splits = sorted({name for one in facts for name, count in one.empty.items() if count})
    empty = [f"{_range(one.empty.get(name, 0) for one in facts)} in {name}" for name in splits]
    if empty:
        yield f"Empty texts: {', '.join(empty)}."


def _range(counts: Iterable[int]) -> str:
    found = sorted(counts)
    return f"{found[0]:,}" if found[0] == found[-1] else f"{found[0]:,} to {found[-1]:,}"
