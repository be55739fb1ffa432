"""Finished cells whose parts somebody outside this library supplied, and has changed since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from swarmformer.code import suppliers_of
from swarmformer.records import RESULT, Result, UnreadableFileError, load
from swarmformer.records.environment import supplied_by

from .plan import Plan

SHOWN = 4

def made_by_others(plan: Plan, folder: Path) -> Iterator[str]:
    """A sentence for each module that is another one now than when cells of the plan were run with it.

    Such cells count as finished: a run key has the ``VERSION`` of a component, not its source.
    """
    changed: dict[str, list[str]] = {}
    for cells in plan.cells_by_arm():
        today = supplied_by(suppliers_of(cells[0].spec))
        for cell in cells if today else ():
            for module in _differs(cell.folder(folder), today):
                changed.setdefault(module, []).append(cell.folder(folder).name)
    for module, names in changed.items():
        shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        yield (
            f"{module} is not what it was when these ran, which count as finished: {shown}. Raise the VERSION of the "
            "component that changed, so that they run anew, or move their folders away"
        )


def _differs(cell: Path, today: dict[str, str]) -> list[str]:
    with suppress(OSError, UnreadableFileError):
        then = supplied_by(load(cell / RESULT, Result).suppliers)
        return [module for module, found in then.items() if today.get(module, found) != found]
    return []
