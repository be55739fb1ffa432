"""Runs of one model grouped by how they were trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import ReportError
from .view import View


@dataclass(frozen=True)
class Recipe:
    """``runs`` of one configuration in one grid; ``words`` say how they were trained."""

    grid: str
    words: str
    runs: pd.DataFrame

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(self.runs["where"])


def recipes(
    seen: Sequence[View], variant: str, task: str, wanted: Mapping[str, object], shown: Mapping[str, str]
) -> tuple[list[Recipe], list[str]]:
    """Recipes of a variant on a task, and a sentence about each that is left out for not being the wanted model.

    wanted: key of the spec, dots between its parts → value; shown: key → its name in ``words``.
    """
    found, left_out = [], []
    for one in seen:
        mine = one.runs[(one.runs["variant"] == variant) & (one.runs["task"] == task)]
        for _, runs in mine.groupby("run_key", sort=True):
            spec = spec_of(one.grid.folder / Path(runs["where"].iloc[0]).name)
            unlike = [f"{key} is {value_at(spec, key)}, not {value:g}" if isinstance(value, float) else
                      f"{key} is {value_at(spec, key)}, not {value}"
                      for key, value in wanted.items() if value_at(spec, key) != value]  # fmt: skip
            if unlike:
                left_out.append(f"Left out: {one.grid.name}, {runs['arm'].iloc[0]}: {'; '.join(unlike)}.")
            else:
                words = ", ".join(f"{name} {value_at(spec, key)}" for key, name in shown.items())
                found.append(Recipe(one.grid.name, words, runs))
    return found, left_out


def spec_of(cell: Path) -> dict[str, Any]:
    """What a run was made from. Raises ReportError where its config.json cannot be read."""
    path = cell / "config.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["spec"])
    except (OSError, ValueError, KeyError) as error:
        raise ReportError(f"{cell.parent.name}/{cell.name}/config.json: cannot tell the recipe of a run") from error


def value_at(spec: Mapping[str, Any], key: str) -> Any:
    """At a key with dots between its parts; None where the spec has no such key."""
    found: Any = spec
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
