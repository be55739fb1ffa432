"""``swarmformer grid status``: where every cell of a plan stands, what runs, and how long it will take.

Imports no torch: it reads the plan and the cells as they lie on the disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from swarmformer import records
from swarmformer.records import CONFIG, TRIALS, PlannedCell, UnreadableFileError

from .follow import Follower, Outlook, said
from .index import Index
from .planned import values_said
from .status import Status


def print_status(plan: records.Plan, folder: Path, index: Index | None = None) -> Counter[Status]:
    """Trials first; then counts, what runs with the time left, and every cell that is not completed, with its cause."""
    index = index or Index(folder)
    if not any(folder.glob(f"*/{CONFIG}")) and not any(folder.glob(f"{TRIALS}/*/{CONFIG}")):
        print(f"nothing has run in {folder} yet")
    if plan.tuning is not None:
        print("trials: ", end="")
        _print_cells(plan.tuning.trials, folder / TRIALS, index)
        plan = _print_choice(plan, folder)
    counts = _print_cells([cell for cell in plan.cells if cell.run_key], folder, index)
    index.keep()
    if waiting := [cell.arm for cell in plan.cells if not cell.run_key]:
        print(f"{len(waiting)} cells without chosen values: {', '.join(dict.fromkeys(waiting))}")
    found = {cell.cell for cell in plan.cells}
    strangers = sorted(path.parent.name for path in folder.glob("*/config.json") if path.parent.name not in found)
    if strangers:
        print(f"{len(strangers)} cells here are of another plan or version and were left alone: {', '.join(strangers)}")
    return counts


def _print_choice(plan: records.Plan, folder: Path) -> records.Plan:
    """What is chosen, and the plan with it; nothing where the choice is that of another plan, or cannot be read."""
    try:
        tuning = records.read_tuning(folder)
    except UnreadableFileError as error:
        print(f"  UNREADABLE   {error}; or make the choice again from the trials with swarmformer grid retry")
        return plan
    if tuning is None or not records.is_of_plan(tuning, plan):
        return plan
    for arm in tuning.arms:
        best = None if arm.chosen is None else arm.tried[arm.chosen].score
        print(f"  chosen       {arm.arm}: {'nothing, every trial failed' if best is None else values_said(arm.values)}"
              f"{'' if best is None else f' ({100 * best:.2f} % on validation)'}")  # fmt: skip
    return records.chosen_plan(plan, tuning)


def _print_cells(cells: Sequence[PlannedCell], folder: Path, index: Index) -> Counter[Status]:
    seen = [(cell, *index.look(folder / cell.cell)) for cell in cells]
    counts = Counter(status for _, status, _, _ in seen)
    outlook, lines = Outlook(), []
    for cell, status, cause, done in seen:
        if done is not None:
            outlook.took(cell.arm, done.seconds)
        if status is Status.RUNNING:
            outlook.running.append((cell.arm, Follower(folder / cell.cell)))
            cause = _how_far(outlook.running[-1][1], running=True)
        elif status is Status.INTERRUPTED:
            cause = _how_far(Follower(folder / cell.cell), running=False)
        if status in (Status.PENDING, Status.INTERRUPTED):
            outlook.waiting.append(cell.arm)
        if status is not Status.COMPLETED:
            lines.append(f"  {status:12} {cell.cell} {cause}".rstrip())
    print(", ".join([f"{status} {counts[status]}" for status in Status if counts[status]] or ["none"]), end="")
    left = outlook.left_s(counts[Status.RUNNING]) if outlook.running else None
    print("" if left is None else f"; about {said(left)} left")
    print("\n".join(lines), end="\n" if lines else "")
    return counts


def _how_far(follower: Follower, *, running: bool) -> str:
    """How far a cell is; of one that runs also how long it will take, and whether it is silent."""
    follower.look()
    return ", ".join(filter(None, [follower.words(left=running), follower.silence() if running else ""]))
