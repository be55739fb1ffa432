"""Arms of one model, told apart by how they were trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmformer.records import CONFIG, Config, UnreadableFileError, load

from .errors import ReportError
from .published import Published
from .study.model import GridStudy, Study
from .study.subjects import Arm

ARCHITECTURE = {
    "d_model": "model.dims.d_model", "num_layers": "model.dims.num_layers", "T_local": "model.local.T_local",
    "cluster_size": "model.dims.cluster_size", "seq_len": "model.dims.seq_len",
}  # fmt: skip
WHOLE = {"data.task.limit": 0}
TRAINING = {
    "learning_rate": "train.optimiser.lr", "batch_size": "train.batch_size",
    "weight_decay": "train.optimiser.weight_decay",
}  # fmt: skip
"""Published quantity → key of a run's spec: what makes it the published model, and what its training states."""


@dataclass(frozen=True)
class Recipe:
    """An arm of the wanted model; ``words`` say how it was trained, ``name`` where it is to be found."""

    grid: GridStudy
    arm: Arm
    spec: Mapping[str, Any]
    words: str
    alone: bool
    """Whether its grid has no other arm of the model."""

    @property
    def name(self) -> str:
        return self.grid.name if self.alone else f"{self.grid.name}: {self.arm.name}"

    def unlike(self, published: Published, variant: str) -> list[str]:
        """Which of the published numbers of a model's training it was not trained with."""
        numbers = published.of(variant)
        trained = {name: (numbers[name], value_at(self.spec, key)) for name, key in TRAINING.items() if name in numbers}
        return [name.replace("_", " ") for name, (number, value) in trained.items()
                if value is not None and abs(value - number.plain) > number.half_step]  # fmt: skip


def as_published(published: Published, variant: str) -> dict[str, float]:
    """Key of a run's spec → the value that makes it the published model on the whole of its task."""
    numbers = published.of(variant)
    return {key: numbers[name].value for name, key in ARCHITECTURE.items() if name in numbers} | WHOLE


def recipes(
    study: Study, variant: str, task: str, wanted: Mapping[str, object], shown: Mapping[str, str]
) -> tuple[list[Recipe], list[str]]:
    """Recipes of a variant on a task, and a sentence about each that is left out for not being the wanted model.

    wanted: key of the spec, dots between its parts → value; shown: key → its name in ``words``, where the run has it.
    """
    made, left_out = list[tuple[GridStudy, Arm, Mapping[str, Any], str]](), []
    for grid in (grid for grid in study.grids if grid.task == task):
        for arm in (arm for arm in (*grid.arms, *grid.others) if arm.variant == variant and arm.n):
            spec = spec_of(grid.folder / Path(arm.runs["where"].iloc[0]).name)
            if unlike := _unlike(spec, wanted):
                left_out.append(f"Left out: {grid.name}, {arm.name}: {'; '.join(unlike)}.")
            else:
                made.append((grid, arm, spec, _told(spec, shown)))
    of_grid = Counter(grid for grid, _ in {(grid.name, arm.name) for grid, arm, *_ in made})
    return [Recipe(*each, alone=of_grid[each[0].name] == 1) for each in made], left_out


def _unlike(spec: Mapping[str, Any], wanted: Mapping[str, object]) -> list[str]:
    """What of a spec is not as it is wanted."""
    return [f"{key} is {value_at(spec, key)}, not {f'{value:g}' if isinstance(value, float) else value}"
            for key, value in wanted.items() if value_at(spec, key) != value]  # fmt: skip


def _told(spec: Mapping[str, Any], shown: Mapping[str, str]) -> str:
    """``lr 0.001, epochs 4``: what the spec has of the keys that are shown."""
    values = ((name, value_at(spec, key)) for key, name in shown.items())
    return ", ".join(f"{name} {value}" for name, value in values if value is not None)


def spec_of(cell: Path) -> dict[str, Any]:
    """What a run was made from. Raises ReportError where its config.json cannot be read."""
    try:
        spec: dict[str, Any] = load(cell / CONFIG, Config).spec.model_dump()
    except UnreadableFileError as error:
        raise ReportError(f"{cell.parent.name}/{cell.name}/{CONFIG}: cannot tell the recipe of a run: {error.reason}"
                          ) from error  # fmt: skip
    train = spec.get("train", {})
    if not isinstance(train.get("optimiser"), Mapping):  # committed runs that are older than optimisers by name
        train["optimiser"] = {key: train[key] for key in ("lr", "weight_decay") if key in train}
    return spec


def value_at(spec: Mapping[str, Any], key: str) -> Any:
    """At a key with dots between its parts; None where the spec has no such key."""
    found: Any = spec
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
