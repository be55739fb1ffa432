"""Latency of a grid's arms, written to costs.json: ``python -m experiments.costs GRID.yaml --runs FOLDER``.

All arms are timed in one process, interleaved, beside the machine's measured limits: forward passes, and training
steps where the grid asks for them. Weights do not change what a pass costs, so fresh ones are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from filelock import FileLock

from swarmformer.assembly import assemble
from swarmformer.cli.command import CommandParser
from swarmformer.cost.report import measure_costs
from swarmformer.environment import resolve_device
from swarmformer.records import COSTS, Costs, UnreadableFileError, load, save
from swarmformer.records.costs import TimedCall, highest
from swarmformer.spec import TrainSpec

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
    known, torch_device = _known(plan), resolve_device(device)
    passes = [_Pass(length, tuple(latency.batches), arms) for (length,), arms in _alike(known, _length)]
    for (length, batch), arms in _alike(known, _length, _batch) if latency.training else ():
        passes.append(_Pass(length, (batch,), arms, {arm.run_key: arm.spec.train for arm in arms}))
    budget = latency.budget_s / len(passes)
    save(folder / COSTS, _joined([one.measured(torch_device, threads, budget) for one in passes]))


@dataclass(frozen=True)
class _Pass:
    """Arms that are timed side by side: forward passes, or training steps as ``train`` has them by run key."""

    length: int
    batches: tuple[int, ...]
    arms: list[Arm]
    train: dict[str, TrainSpec] | None = None

    def measured(self, device: torch.device, threads: int, budget_s: float) -> Costs:
        models = {arm.run_key: (arm.spec.variant, assemble(arm.spec.model)) for arm in self.arms}
        return measure_costs(
            models, length=self.length, batches=self.batches, device=device, threads=threads, budget_s=budget_s,
            train=self.train,
        )  # fmt: skip


def _alike(arms: Iterable[Arm], *of: Callable[[Arm], int]) -> Iterator[tuple[tuple[int, ...], list[Arm]]]:
    def sizes(arm: Arm) -> tuple[int, ...]:
        return tuple(size(arm) for size in of)

    yield from ((found, list(alike)) for found, alike in groupby(sorted(arms, key=sizes), key=sizes))


def _known(plan: Plan) -> list[Arm]:
    """Arms whose values are chosen, or need not be."""
    return [arm for arm in plan.arms if not arm.is_open]


def _length(arm: Arm) -> int:
    return arm.spec.model.dims.seq_len


def _batch(arm: Arm) -> int:
    return arm.spec.train.batch_size


def _joined(parts: list[Costs]) -> Costs:
    """One document: the rows of all lengths under the highest limits that were reached."""
    rows = tuple(row for part in parts for row in part.rows)
    return parts[0].model_copy(update={"limits": highest(part.limits for part in parts), "rows": rows})


def is_current(path: Path, plan: Plan) -> bool:
    """Whether a costs.json has all rows that the plan asks for."""
    try:
        return load(path, Costs).has(wanted(plan))
    except UnreadableFileError:
        return False


def wanted(plan: Plan) -> list[TimedCall]:
    """The rows that a plan asks for."""
    latency, known = plan.grid.latency, _known(plan)
    if latency is None:
        return []
    forward: list[TimedCall] = [(arm.run_key, "forward", batch) for arm in known for batch in latency.batches]
    return [*forward, *((arm.run_key, "training", _batch(arm)) for arm in known if latency.training)]


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
