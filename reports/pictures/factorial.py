"""What the pictures of effects share: the fitted effects of every factorial design, panel by panel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..evidence import Evidence
from ..schema import Design
from ..statistics.effects import Effect, factorial_effects
from .panels import Panel, panels

TIMES, MINUS = " × ", "−"


@dataclass(frozen=True)
class Fitted:
    """The effects of one design. ``margin`` is a fraction, None where the plan names none; ``metric`` is what it was
    registered for, accuracy where nothing was."""

    name: str
    left_out: int
    design: Design
    metric: str
    margin: float | None
    effects: Sequence[Effect]


def fitted(evidence: Evidence, grids: Sequence[str] | None, order: Literal[1, 2]) -> Iterator[Fitted]:
    """Every factorial design that has completed runs."""
    for panel in panels(evidence, grids):
        for number, design in enumerate(panel.designs, 1):
            several = len(panel.designs) > 1
            name = f"{panel.name}, design {number}" if several else panel.name
            found = _fit(panel, design, name, order)
            if found is not None:
                yield found


def _fit(panel: Panel, design: Design, name: str, order: Literal[1, 2]) -> Fitted | None:
    primary = panel.grid.plan.primary if panel.grid.plan else None
    metric = primary.metric if primary else "accuracy"
    runs = panel.runs[panel.runs["arm"].isin(design.levels)]
    if runs.empty:
        return None
    cells = runs[["arm", "seed"]].assign(value=runs[metric])
    effects = factorial_effects(cells, design.levels, design.factors, order=order)
    margin = primary.margin_points / 100 if primary else None
    return Fitted(name, panel.left_out, design, metric, margin, effects)


def named(term: Sequence[str], *, is_negated: bool = False) -> str:
    """``windowed × gumbel``, with a minus where it enters with one."""
    return (MINUS if is_negated else "") + TIMES.join(term)
