"""What lies in a grid's folder, typed: its cells and where they stand, its plan, and what stands beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from swarmformer import records
from swarmformer.records import Result


class Status(StrEnum):
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    INCOMPLETE = "INCOMPLETE"
    PENDING = "PENDING"
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True)
class Cell:
    """One cell, or one file of the grid's own that cannot be read (then without arm and seed)."""

    status: Status
    where: str  # path from the folder above the grid, so that it is the same on every machine
    arm: str | None = None
    seed: int | None = None
    task: str | None = None
    cause: str = ""
    result: Result | None = None
    model: str = ""
    """Name of its architecture; empty where its config.json does not say."""
    rate: float | None = None
    """Its learning rate; None where its config.json does not say."""
    slots: Mapping[str, Any] = field(default_factory=dict)
    """Slot → its component and options; empty where its config.json does not say."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """How it was trained; empty where its config.json does not say."""


@dataclass(frozen=True)
class Grid:
    """One folder of cells.

    folder: where its records are read. home: where it lies, which is another place if it is sealed into one file.
    planned: arms of its plan, where it has a readable one, with the values that ``tuning`` chose.
    unplanned: cell folders that the plan does not name, left out of every table.
    registrations: of the plan before its first run, then of each that only added seeds, with the values chosen.
    """

    folder: Path
    cells: tuple[Cell, ...]
    home: Path
    planned: tuple[records.PlannedArm, ...]
    unplanned: tuple[str, ...]
    plan: records.Plan | None
    registrations: tuple[records.Registration, ...]
    floors: records.Floors | None
    costs: records.Costs | None
    tuning: records.Tuning | None = None

    @property
    def name(self) -> str:
        return self.plan.grid if self.plan else self.folder.name

    @property
    def base(self) -> str | None:
        return self.plan.base if self.plan else None

    @property
    def registration(self) -> records.Registration | None:
        """The first."""
        return self.registrations[0] if self.registrations else None

    def floors_of(self, task: str) -> records.Floors | None:
        return self.floors if self.floors and self.floors.task == task else None
