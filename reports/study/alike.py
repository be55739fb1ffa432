"""Which runs may stand together: the largest set that is alike in data, code and device, and what is beside it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from ..words import listed

STRATA = {"data": "data_key", "code": "code", "device": "device"}
"""What must agree before runs are averaged or paired, by the name that --mix gives it."""
WORDS = {"run_key": "configuration", "data_key": "data", "code": "code", "device": "device"}


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
                "--mix puts runs together that differ in data, code or device."
            )
        if len(self.repeated):
            said.append(f"A seed counts once; left out as repeated: {listed(self.repeated['where'].tolist())}.")
        return said


def part(finished: pd.DataFrame, planned: Collection[str], mix: Collection[str]) -> Parted:
    """Part completed runs. Of an arm with several configurations the planned one is kept, else the one most run.

    planned: run keys of the plan. mix: names of ``STRATA`` in which runs may differ.
    """
    strata = [column for name, column in STRATA.items() if name not in mix]
    unique = finished.drop_duplicates(["arm", "run_key", "seed", *strata])
    repeated = finished.drop(unique.index)
    largest = _largest(unique, strata)
    kept = unique[unique.index.isin(_of_one_configuration(largest, planned))]
    beside = unique.drop(kept.index)
    keys = ["arm", "run_key", *strata]
    groups = [group for _, group in beside.groupby(keys, sort=True)] if len(beside) else []
    return Parted(kept, tuple((_differs(group, kept, strata), group) for group in groups), repeated)


def _largest(runs: pd.DataFrame, strata: list[str]) -> pd.DataFrame:
    if runs.empty or not strata:
        return runs
    return max((group for _, group in runs.groupby(strata, sort=True)), key=len)


def _of_one_configuration(runs: pd.DataFrame, planned: Collection[str]) -> list[int]:
    """Index of the rows to keep."""
    rows = list[int]()
    for _, of_arm in runs.groupby("arm", sort=True):
        counts = of_arm["run_key"].value_counts(sort=False).sort_index()
        key = max(counts.index, key=lambda name: (name in planned, counts[name]))
        rows += of_arm.index[of_arm["run_key"] == key].tolist()
    return rows


def _differs(group: pd.DataFrame, kept: pd.DataFrame, strata: list[str]) -> str:
    """``code 85ba8d185320``; or the configuration, where everything else agrees."""
    first = group.iloc[0]
    parts = [
        f"{WORDS[column]} {str(first[column])[:16]}" for column in strata if first[column] not in set(kept[column])
    ]
    return ", ".join(parts) or f"{WORDS['run_key']} {first['run_key']}"
