"""Latency of a grid's arms, written to costs.json: ``python -m experiments.costs GRID.yaml --runs FOLDER``.

All arms are timed in one process, interleaved, beside the machine's measured limits. Weights do not
change what a pass costs, so fresh ones are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from filelock import FileLock

from swarmformer.assembly import assemble
from swarmformer.cli.command import CommandParser
from swarmformer.cost.report import measure_costs
from swarmformer.environment import resolve_device
from swarmformer.records import COSTS, Costs, UnreadableFileError, load, save

from .execute.local import usable_threads
from .plan import Arm, Plan, load_plan
from .plan.grid_file import Latency
from .tuning import chosen


def write_costs(grid: Path, folder: Path, threads: int, device: str) -> None:
    """Time every arm at its maximum length; nothing is done where costs.json has all arms already."""
    plan = chosen(load_plan(grid), folder)
    with FileLock(folder / "costs.lock"):  # two grids on one folder must not time each other
        if plan.grid.latency is not None and not is_current(folder / COSTS, plan):
            _write(plan, folder, plan.grid.latency, threads, device)


def _write(plan: Plan, folder: Path, latency: Latency, threads: int, device: str) -> None:
    by_length = groupby(sorted(_known(plan), key=_length), key=_length)
    groups = [(length, list(arms)) for length, arms in by_length]
    budget = latency.budget_s / len(groups)
    torch_device = resolve_device(device)
    save(folder / COSTS, _joined([
        measure_costs(
            {arm.run_key: (arm.spec.variant, assemble(arm.spec.model)) for arm in arms},
            length=length, batches=latency.batches, device=torch_device, threads=threads, budget_s=budget,
        )
        for length, arms in groups
    ]))  # fmt: skip


def _known(plan: Plan) -> list[Arm]:
    """Arms whose values are chosen, or need not be."""
    return [arm for arm in plan.arms if not arm.is_open]


def _length(arm: Arm) -> int:
    return arm.spec.model.dims.seq_len


def _joined(parts: list[Costs]) -> Costs:
    """One document: the rows of all lengths under the highest limits that were reached."""
    best = max((part.limits for part in parts), key=lambda limits: limits.matmul_flops_per_s)
    copy = max(part.limits.copy_bytes_per_s for part in parts)
    rows = tuple(row for part in parts for row in part.rows)
    return parts[0].model_copy(update={"limits": best.model_copy(update={"copy_bytes_per_s": copy}), "rows": rows})


def is_current(path: Path, plan: Plan) -> bool:
    """Whether a costs.json has a row for every arm and batch size of the plan."""
    batches = plan.grid.latency.batches if plan.grid.latency else []
    wanted = {(arm.run_key, batch) for arm in _known(plan) for batch in batches}
    try:
        return wanted <= {(row.run_key, row.batch) for row in load(path, Costs).rows}
    except UnreadableFileError:
        return False


def otherwise(path: Path, threads: int, device: str) -> str:
    """Where a costs.json that is there was measured, if that is not where it is asked for now; else nothing.

    Args:
        threads: 0 asks for all that there are, as device ``auto`` for whichever there is: neither asks for another.
    """
    there = load(path, Costs)
    as_asked = threads in (0, there.threads) and (device == "auto" or there.device.startswith(f"{device}:"))
    return "" if as_asked else f"{there.device}, {there.threads} threads"


def main(arguments: Sequence[str] | None = None) -> int:
    """Started by the grid."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("grid", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=usable_threads())
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    write_costs(options.grid, options.runs, options.threads, options.device)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
