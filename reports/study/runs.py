"""Runs as one tidy table, and which of them may stand together: the largest set alike in data, code and device."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from swarmformer.errors import listed
from swarmformer.records import Record

from .grid import Cell, Grid
from .spent import has_one_stage, training_flops

FACTS = ("variant", "run_key", "data_key", "track", "code", "code_hash", "code_revision", "supplied", "device",
         "started_at")  # fmt: skip
MEASURES = {
    **{name: f"metrics.test.{name}" for name in ("accuracy", "precision", "recall", "f1", "loss")},
    "validation_accuracy": "metrics.validation.accuracy", "train_s": "seconds.train", "total_s": "seconds.total",
}  # fmt: skip
SELECTED = {"selected_on_test": "published_reading.accuracy"}
SIZES = {
    "test_examples": "metrics.test.n", "parameters_total": "parameters.total",
    "parameters_without_embedding": "parameters.without_embedding", "parameters_channel": "parameters.channel",
    "flops_forward": "flops.forward",
    "flops_length": "flops.length", **{f"truncated_{split}": f"truncated.{split}" for split in
                                       ("train", "validation", "test")},
}  # fmt: skip
OF_RESULT = {
    **dict(zip(FACTS, FACTS, strict=True)), "computed_in": "precision", "tf32": "computing.tf32",
    **MEASURES, **SELECTED, **SIZES,
}  # fmt: skip
"""Column → what of result.json; empty (NaN) in cells that are not completed. ``code`` is what must agree for two runs
to be of the same code: the hash, or the revision where there is none."""
MADE = ("training_flops", "steps_alike")
COLUMNS = ("grid", "folder", "where", "status", "cause", "task", "arm", "seed", *OF_RESULT, *MADE)
NOT_WHOLE = (*MEASURES, *SELECTED, *MADE)
"""Columns of numbers that are not whole."""
CONFIGURATION = ["run_key", "computed_in"]
STRATA = {"data": "data_key", "code": "code", "device": "device"}
"""What must agree before runs are averaged or paired, by the name that --mix gives it. Code also by each supplier that
two runs have in common: an arm with a component of somebody's own is held against one without it. Where the device may
differ, it agrees within a seed: arms are compared seed by seed, so that what a device does to all is no difference."""


def tidy(grids: Iterable[Grid]) -> pd.DataFrame:
    """A row per planned or found cell, a column per fact; ordered by grid and folder.

    Measures are of the test split as fractions of one (``loss`` in nats), but for ``validation_accuracy``;
    ``selected_on_test`` is the best of a test reading after each epoch, where there was one, and no result. Times in
    seconds; FLOPs of a forward pass of one example at ``flops_length`` tokens; ``training_flops`` of all steps, those
    that patience waited and pads included; ``steps_alike``: optimiser steps, none where they are of several stages.
    """
    rows = [_row(grid, cell) for grid in grids for cell in grid.cells if cell.arm is not None]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    # A column in which no run has a number would be one of objects.
    frame = frame.astype({**dict.fromkeys((*SELECTED, *MADE), float), "tf32": "boolean"})
    return frame.sort_values(["grid", "where"], kind="stable", ignore_index=True)


def _row(grid: Grid, cell: Cell) -> dict[str, object]:
    of_result = {} if cell.result is None else {
        **{name: _at(cell.result, path) for name, path in OF_RESULT.items()},
        "training_flops": training_flops(cell.result, cell.train),
        "steps_alike": cell.result.steps if has_one_stage(cell.train) else math.nan}  # fmt: skip
    return {
        "grid": grid.name, "folder": grid.folder.name, "where": cell.where, "status": str(cell.status),
        "cause": cell.cause, "task": cell.task, "arm": cell.arm, "seed": cell.seed, **of_result,
    }  # fmt: skip


def _at(record: Record | None, path: str) -> object:
    """At a path with dots between its parts; NaN below a record that is not there."""
    found: object = record
    for part in path.split("."):
        if found is None:
            return math.nan
        found = getattr(found, part)
    return found


@dataclass(frozen=True)
class Parted:
    """Completed runs of one grid and task. ``kept``: of each arm one configuration, each seed once. ``others``: every
    run that is unlike those, by what it differs in (``code 85ba8d185320``). ``repeated``: a seed that ran twice."""

    kept: pd.DataFrame
    others: tuple[tuple[str, pd.DataFrame], ...]
    repeated: pd.DataFrame

    @property
    def warnings(self) -> list[str]:
        said = []
        if self.others:
            unlike = [f"{where} ({words})" for words, runs in self.others for where in runs["where"]]
            said.append(
                f"Unlike the {len(self.kept)} runs used, and not averaged or paired with them: {listed(unlike)}. "
                "--mix puts runs together that differ in data or code, or seeds that differ in device."
            )
        if len(self.repeated):
            said.append(f"A seed counts once; left out as repeated: {listed(self.repeated['where'].tolist())}.")
        return said


def part(finished: pd.DataFrame, planned: Collection[str], mix: Collection[str]) -> Parted:
    """Part completed runs. Of an arm with several configurations the planned one is kept, else the one most run; of
    one that was computed in fp32 here and in bf16 there, what most runs of all arms were computed in.

    planned: run keys of the plan. mix: names of ``STRATA`` in which runs may differ; the device from seed to seed only.
    """
    strata = [column for name, column in STRATA.items() if name not in mix]
    exact = [*strata, *(["supplied"] if "code" in strata else []), *(["device"] if "device" in mix else [])]
    unique = finished.drop_duplicates(["arm", *CONFIGURATION, "seed", *exact])
    repeated = finished.drop(unique.index)
    kept = unique[unique.index.isin(_of_one_configuration(_most_alike(unique, strata), planned))]
    beside = unique.drop(kept.index)
    groups = [group for _, group in beside.groupby(["arm", *CONFIGURATION, *exact], sort=True)]
    known = {column: set(kept[column]) for column in (*exact, "run_key")}
    pairs = set(zip(kept["run_key"], kept["computed_in"], strict=True))
    devices = dict(zip(kept["seed"], kept["device"], strict=True))
    return Parted(kept, tuple((_differs(group, known, pairs, devices), group) for group in groups), repeated)


def _most_alike(runs: pd.DataFrame, strata: Sequence[str]) -> pd.DataFrame:
    """The largest group of runs that agree in ``strata``: where that leaves the device open, in that of each seed, and
    where it names the code, in that of every supplier."""
    alike = [group for _, group in runs.groupby(list(strata), sort=True)] if strata else []
    largest = max(alike, key=len, default=runs)
    if STRATA["device"] not in strata:
        usual = _device_of_each_seed(largest)
        largest = largest[largest["device"] == largest["seed"].map(usual)]
    if STRATA["code"] in strata:
        largest = largest[largest["supplied"].isin(_of_one_supplier(largest["supplied"]))]
    return largest


def _device_of_each_seed(runs: pd.DataFrame) -> dict[int, str]:
    """That of most of its runs; of two with as many, that of more runs in all."""
    everywhere = Counter(runs["device"])
    counted = Counter(zip(runs["seed"], runs["device"], strict=True))
    found = dict[int, str]()
    for seed, device in sorted(counted, key=lambda pair: (counted[pair], everywhere[pair[1]], pair[1])):
        found[seed] = device
    return found


def _of_one_supplier(supplied: pd.Series) -> set[str]:
    """Those of the texts in which every module has the hash that most runs have it with."""
    counted = supplied.value_counts(sort=False)
    found: dict[str, Counter[str]] = {}
    for text, runs in counted.items():
        for module, digest in _suppliers(str(text)):
            found.setdefault(module, Counter())[digest] += int(runs)
    usual = {module: max(sorted(hashes), key=hashes.__getitem__) for module, hashes in found.items()}
    return {str(text) for text in counted.index
            if all(usual[module] == digest for module, digest in _suppliers(str(text)))}  # fmt: skip


def _suppliers(supplied: str) -> list[tuple[str, str]]:
    """Module and hash."""
    return [(module, digest) for module, _, digest in (one.rpartition(":") for one in supplied.split(",") if one)]


def _of_one_configuration(runs: pd.DataFrame, planned: Collection[str]) -> list[int]:
    """Index of the rows to keep."""
    usual = Counter(runs["computed_in"])
    arms: dict[str, dict[tuple[str, str], list[int]]] = {}
    for row, arm, *key in runs[["arm", *CONFIGURATION]].itertuples(name=None):
        arms.setdefault(arm, {}).setdefault((key[0], key[1]), []).append(row)
    rows = list[int]()
    for groups in arms.values():
        known = {key: (key[0] in planned, usual[key[1]], len(found)) for key, found in groups.items()}
        rows += groups[max(sorted(groups), key=known.__getitem__)]
    return rows


def _differs(
    group: pd.DataFrame, known: Mapping[str, set[str]], pairs: set[tuple[str, str]], devices: Mapping[int, str]
) -> str:
    """``code 85ba8d185320``; or the configuration, where everything else agrees.

    known: column → what the runs that are kept have there; pairs: what of them each configuration was computed in;
    devices: what those of each seed were computed on.
    """
    first = group.iloc[0]
    elsewhere = any(devices.get(seed, first["device"]) != first["device"] for seed in group["seed"])
    parts = [
        f"{name} {str(first[column])[:16]}" for name, column in STRATA.items()
        if column in known and (first[column] not in known[column] or (column == "device" and elsewhere))
    ]  # fmt: skip
    if "supplied" in known and not parts and first["supplied"] not in known["supplied"]:
        parts += [f"{module} {digest}" for module, digest in _suppliers(first["supplied"])]
    if first["run_key"] in known["run_key"] and (first["run_key"], first["computed_in"]) not in pairs:
        parts.append(f"precision {first['computed_in']}")
    return ", ".join(parts) or f"configuration {first['run_key']}"
