"""Baselines and oracles of a grid, and what must be said of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..statistics.interval import wilson
from .model import Reference
from .read import Grid


def references(grid: Grid, every: Iterable[Grid], task: str, data_key: str) -> tuple[Reference, ...]:
    """Those of the grid, then what other grids measured on the same data; baselines first. Of one name, the first."""
    known = {reference.name: reference for reference in _of_grid(grid, task)}
    for reference in (reference for other in every for reference in _of_grid(other, task)):
        if reference.data_key == data_key:
            known.setdefault(reference.name, reference)
    return tuple(sorted(known.values(), key=lambda reference: reference.kind == "oracle"))


def unlike_data(known: Sequence[Reference], data_key: str) -> list[str]:
    """A warning where predictors were measured on other data than the arms."""
    keys = {reference.data_key for reference in known}
    if not keys or not data_key or keys == {data_key}:
        return []
    return [
        "Baselines and arms were not all measured on the same data "
        f"(baselines: {'; '.join(sorted(keys))}; arms: {data_key}): compare only rows of the same data."
    ]


def _of_grid(grid: Grid, task: str) -> list[Reference]:
    floors = grid.floors_of(task)
    return [
        Reference(
            name=floor.name if floor.split == "test" else f"{floor.name} ({floor.split} split)",
            kind=floor.kind,
            split=floor.split,
            accuracy=wilson(floor.accuracy, floor.n),
            detail=", ".join(f"{key} {value}" for key, value in floor.detail.items()),
            sources=(f"{grid.folder.name}/floors.json",),
            data_key=floors.data_key,
        )
        for floor in floors.floors
    ] if floors else []
