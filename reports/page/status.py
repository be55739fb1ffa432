"""What a reader must know first: what ran, what did not and why, and what was planned before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..evidence import Evidence
from ..read import Cell, Grid, Status
from ..schema import Plan
from ..table import build_tables, count_statuses


@dataclass(frozen=True)
class GridStatus:
    """One grid. ``files`` are those of the grid's own that the page shows."""

    name: str
    folder: str
    tasks: tuple[str, ...]
    counts: dict[str, int]
    unfinished: tuple[Cell, ...]
    warnings: tuple[str, ...]
    plan: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def planned(self) -> int:
        """How many cells there are, with those of which no file is there yet."""
        return sum(self.counts.values())


def grid_status(evidence: Evidence, grid: Grid, files: Sequence[str]) -> GridStatus:
    """Counts, unfinished cells by status, warnings of the tables and of what is left out for being unlike."""
    tables = build_tables([grid], sorted(evidence.mix))
    order = list(Status)
    unfinished = [cell for cell in grid.cells if cell.status is not Status.COMPLETED]
    warnings = [warning for table in tables for warning in table.warnings]
    return GridStatus(
        name=grid.name,
        folder=grid.folder.name,
        tasks=tuple(dict.fromkeys(table.task for table in tables)),
        counts={str(status): count for status, count in count_statuses(grid.cells).items()},
        unfinished=tuple(sorted(unfinished, key=lambda cell: order.index(cell.status))),
        warnings=tuple(dict.fromkeys(warnings)),
        plan=tuple(_plan(grid)),
        files=tuple(files),
    )


def _plan(grid: Grid) -> list[str]:
    if grid.plan is None:
        return ["No plan: these runs were not planned as a grid."]
    return [*_designs(grid.plan), *_primary(grid.plan), _registered(grid, grid.plan)]


def _designs(plan: Plan) -> list[str]:
    said = []
    for design in plan.designs:
        resolution = f", resolution {design.resolution}" if design.resolution else ""
        kind = design.kind.replace("_", "-")
        said.append(f"Design: {kind}{resolution}, {len(design.levels)} arms, factors {', '.join(design.factors)}.")
    if plan.matched:
        pairs = [f"{pair.arm} with {pair.control} ({pair.quantity})" for pair in plan.matched]
        said.append(f"Matched: {'; '.join(pairs)}.")
    return said


def _primary(plan: Plan) -> list[str]:
    if plan.primary is None:
        return []
    return [f"Decided by {plan.primary.metric}, equivalent within ±{plan.primary.margin_points:g} points."]


def _registered(grid: Grid, plan: Plan) -> str:
    if grid.registration is None:
        return "Not registered before the first run."
    registration = grid.registration
    said = f"Registered {registration.registered_at} at code {registration.code_revision}"
    if registration.hash == plan.hash:
        return f"{said}; the plan is the one that was registered (hash {plan.hash[:12]})."
    return f"{said}, with another plan: hash {registration.hash[:12]} then, {plan.hash[:12]} now."
