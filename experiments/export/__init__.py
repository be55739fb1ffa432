"""``swarmformer grid export GRID --to KIND DIR``: what a grid's cells wrote, in a folder that another program shows.

Only what is finished has results; what is not, or has failed, is marked and has its curve alone. A second export brings
the folder up to date and adds nothing twice. Imports no torch.
"""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path

from filelock import FileLock

from swarmformer import records
from swarmformer.errors import SpecError

from ..status import Status
from .runs import runs_of

KINDS = ("tensorboard", "mlflow")
"""Each is a module of this package, and an extra of the same name that brings what it imports."""


def export_grid(plan: records.Plan, folder: Path, kind: str, out: Path) -> Counter[str]:
    """Bring ``out`` up to date with the grid in ``folder``; how many runs were ``written``, and found ``current``.

    Raises:
        SpecError: the program that is to read it is not installed.
    """
    try:
        module = importlib.import_module(f"{__name__}.to_{kind}")
    except ModuleNotFoundError as error:
        raise SpecError(f"--to {kind} needs {error.name}: pip install 'swarmformer[{kind}]'") from None
    out.mkdir(parents=True, exist_ok=True)
    found, counts = list(runs_of(plan, folder)), Counter[str]()
    with FileLock(out / ".swarmformer.lock"):
        for run in found:
            counts["written" if module.export(run, out) else "current"] += 1
    states = Counter(run.status for run in found)
    print(f"{out}: {counts['written']} runs written, {counts['current']} as they were")
    print(", ".join(f"{status} {states[status]}" for status in Status if states[status]) or "no cell has started")
    return counts
