"""Whether a grid has nothing left to run, told without resolving it anew. Imports no torch.

A run that ends with everything done leaves ``.finished.json``: what its plan and its jobs were made of. As long as all
of that is the same (plan, grid and variant files, sources of this library and of whoever supplied parts) and the cells'
own files say that they are completed, resolving the grid would only find the same plan. It is a cache: without it, or
where anything differs, the grid is resolved. Where it is, whoever asks is told which finished cells had other parts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import swarmformer
from swarmformer import records
from swarmformer.errors import listed
from swarmformer.records import COSTS, FLOORS, PLAN, RESULT, UnreadableFileError, write_bytes_atomically
from swarmformer.records.base import sha256_of
from swarmformer.records.environment import supplied_by
from swarmformer.source_code import sources_of

from .index import Index
from .planned import source_of
from .status import Status

if TYPE_CHECKING:  # imports torch, which only those need who have resolved a grid
    from swarmformer.spec import RunSpec

    from .plan import Plan

FINISHED = ".finished.json"
SOURCES = (Path(swarmformer.__file__).parent, Path(__file__).parent)
SHOWN = 4
"""Cells that are named."""


def remember(plan: Plan, folder: Path) -> None:
    """Keep what a grid was made of that ran to its end; not where its data are paths, which nobody reads here."""
    if any(_is_of_files(arm.spec) for arm in plan.arms):
        return
    suppliers = sorted({str(path.resolve()) for arm in plan.arms for path in _sources_of(arm.spec)})
    from .costs import wanted

    content = {"suppliers": suppliers, "floors": plan.grid.floors, "timed": wanted(plan)}
    with suppress(OSError):  # a folder that cannot be written to
        text = json.dumps({**content, "made_of": _made_of(folder, suppliers)})
        write_bytes_atomically(folder / FINISHED, text.encode(), flush=False)


def _is_of_files(spec: RunSpec) -> bool:
    """Whether classes or tokens may be those of files that can change: then the run keys change with them."""

    texts = [value for value in (spec.data.tokenizer, *spec.data.task.options.values()) if isinstance(value, str)]
    own = spec.data.task.part.reads_own_files
    return own or any(os.sep in text or "/" in text or os.path.exists(text) for text in texts)


def _sources_of(spec: RunSpec) -> Iterator[Path]:
    """Folders and files of Python sources outside this library that parts of a run come from."""
    from swarmformer.code import suppliers_of

    for supplier in suppliers_of(spec):
        yield from sources_of(supplier.module)


def finished_plan(grid: Path, folder: Path, index: Index) -> records.Plan | None:
    """The plan of a grid that has nothing left to do; None where it must be resolved to know."""
    try:
        known = json.loads((folder / FINISHED).read_bytes())
        if known["made_of"] != _made_of(folder, known["suppliers"]):
            return None
        plan = records.load(folder / PLAN, records.Plan)
        if plan.source != source_of(grid):
            return None
        plan = records.chosen_plan(plan, _choice(plan, folder))
        if not _is_complete(plan, folder, index, floors=known["floors"]):
            return None
        timed = [(str(key), str(mode), int(batch)) for key, mode, batch in known["timed"]]
        return plan if not timed or records.load(folder / COSTS, records.Costs).has(timed) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UnreadableFileError):
        return None


def _choice(plan: records.Plan, folder: Path) -> records.Tuning | None:
    tuning = records.read_tuning(folder)
    return tuning if tuning is not None and records.is_of_plan(tuning, plan) else None


def _is_complete(plan: records.Plan, folder: Path, index: Index, *, floors: bool) -> bool:
    """Whether every cell is completed, and the floors, where they are wanted, are of the data that the cells had."""
    data = set()
    for cell in plan.cells:
        status, _, done = index.look(folder / cell.cell)
        if not cell.run_key or status is not Status.COMPLETED or done is None:
            return False
        data.add(done.data_key)
    if not floors:
        return True
    found = records.load(folder / FLOORS, records.Floors)
    redrawn = bool(found.seeds) or found.splits > 1
    return data == {found.data_key} and found.are_on(plan.seeds if redrawn else ())


def _made_of(folder: Path, suppliers: list[str]) -> dict[str, Any]:
    """Hashes of the plan as it lies there, and of all sources that resolving it would read."""
    sources = [*SOURCES, *map(Path, suppliers)]
    return {"plan": sha256_of(folder / PLAN), "sources": list(map(_hash, sources))}


def _hash(path: Path) -> str:
    """Over the Python files below a folder, or over one file."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(_python_below(path)):
        content = Path(file).read_bytes()
        digest.update(f"{file} {len(content)} ".encode("utf-8", "surrogatepass") + content)
    return digest.hexdigest()


def _python_below(folder: Path) -> Iterable[str]:
    for place, _, names in os.walk(folder):
        yield from (os.path.join(place, name) for name in names if name.endswith(".py"))


def made_by_others(plan: Plan, folder: Path) -> Iterator[str]:
    """A sentence for each module that is another one now than when cells of the plan were run with it.

    Such cells count as finished: a run key has the ``VERSION`` of a component, not its source.
    """
    from swarmformer.code import suppliers_of

    changed: dict[str, list[str]] = {}
    for cells in plan.cells_by_arm():
        today = supplied_by(suppliers_of(cells[0].spec))
        for cell in cells if today else ():
            for module in _differs(cell.folder(folder), today):
                changed.setdefault(module, []).append(cell.folder(folder).name)
    for module, names in changed.items():
        yield (
            f"{module} is not what it was when these ran, which count as finished: {listed(names, SHOWN)}. Raise the "
            "VERSION of the component that changed, so that they run anew, or move their folders away"
        )


def _differs(cell: Path, today: dict[str, str]) -> list[str]:
    with suppress(OSError, UnreadableFileError):
        then = supplied_by(records.load(cell / RESULT, records.Result).suppliers)
        return [module for module, found in then.items() if today.get(module, found) != found]
    return []
