"""Plan, run and watch a grid: ``swarmformer grid plan|run|status|retry GRID``.

plan    resolve and build every cell, read own files, print parameters and FLOPs, register the plan; nothing runs
run     run what is not finished; the same command continues a killed grid
status  where every cell stands
retry   set failed cells aside (nothing is deleted) and run them anew

A grid that says tune: runs its trials first, then its cells with the values that they chose.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from swarmformer.cli.command import command_parser, words_of
from swarmformer.environment import resolve_device

from .cells import Status, status_of
from .execute import find_executor
from .execute.scheduler import Runner, retry
from .plan import Cell, Plan, load_plan
from .plan.data import read_data
from .plan.grid_file import grid_path
from .plan.registration import has_started, register
from .plan.tune import said
from .progress import logged_exit_status
from .tuning import choice_of

logger = logging.getLogger("swarmformer.grid")


def print_plan(plan: Plan) -> None:
    """Arms with their price, and how many cells there are."""
    print(f"{'arm':40} {'run key':16} {'parameters':>12} {'not embedding':>14} {'MFLOP/example':>14}")
    for arm in plan.arms:
        total, rest, flops = arm.parameters.total, arm.parameters.without_embedding, arm.flops.forward
        key = "to be chosen" if arm.is_open else arm.spec.run_key
        print(f"{arm.name:40} {key:16} {total:12,} {rest:14,} {flops / 1e6:14.2f}")
    print(f"{len(plan.arms)} arms × {len(plan.grid.seeds)} seeds = {plan.size} cells; all of them build")
    for arm in plan.arms:
        for remark in arm.remarks:
            print(f"acts otherwise than meant: {arm.name}: {remark}")
    if (tune := plan.grid.tune) is not None:
        tried = "; ".join(f"{key} {', '.join(map(str, values))}" for key, values in tune.values.items())
        each = len(list(tune.combinations())) * len(tune.seeds)
        epochs = f", {tune.epochs} epochs each" if tune.epochs else ""
        print(f"tuned first, for every arm: {tried}; seeds {', '.join(map(str, tune.seeds))}: {each} trials an arm, "
              f"{each * len(plan.arms)} in all{epochs}; chosen by {plan.metric} on validation")  # fmt: skip
    for design in plan.designs:
        resolution = f" of resolution {design.resolution}" if design.resolution else ""
        print(f"{design.kind} design{resolution}: {len(design.levels)} arms, base {design.base}, "
              f"factors {', '.join(design.factors)}")  # fmt: skip
    for pair in plan.matched:
        ratio = "known after the runs" if pair.ratio is None else f"{pair.ratio:.4f}"
        print(f"matched in {pair.quantity}: {pair.arm} / {pair.control} = {ratio} (±{pair.tolerance:g})")
    if plan.grid.primary is not None:
        print(f"decided by test {plan.grid.primary.metric}, equivalent within ±{plan.grid.primary.margin:g} points")


def print_status(plan: Plan, folder: Path) -> Counter[Status]:
    """Trials first; then counts, and every cell that is not completed, with its cause."""
    if plan.grid.tune is not None:
        plan = _print_trials(plan, folder)
    counts = _print_cells(list(plan.cells()), folder)
    if plan.open_arms:
        waiting = len(plan.open_arms) * len(plan.grid.seeds)
        print(f"{waiting} cells without chosen values: {', '.join(plan.open_arms)}")
    found = {cell.folder(folder).name for cell in plan.cells()}
    strangers = sorted(path.parent.name for path in folder.glob("*/config.json") if path.parent.name not in found)
    if strangers:
        print(f"{len(strangers)} cells here are of another plan or version and were left alone: {', '.join(strangers)}")
    return counts


def _print_trials(plan: Plan, folder: Path) -> Plan:
    """Where the trials stand and what is chosen; the plan with the chosen values."""
    tuning = choice_of(plan, folder)
    print("trials: ", end="")
    _print_cells(list(plan.trials()), folder)
    for arm in tuning.arms if tuning else ():
        best = None if arm.chosen is None else arm.tried[arm.chosen].score
        print(f"  chosen       {arm.arm}: {'nothing, every trial failed' if best is None else said(arm.values)}"
              f"{'' if best is None else f' ({100 * best:.2f} % on validation)'}")  # fmt: skip
    return plan if tuning is None else plan.with_choice(tuning)


def _print_cells(cells: list[Cell], folder: Path) -> Counter[Status]:
    places = {cell.folder(folder).name: status_of(cell.folder(folder)) for cell in cells}
    counts = Counter(status for status, _ in places.values())
    print(", ".join(f"{status} {counts[status]}" for status in Status if counts[status]) or "none")
    for name, (status, cause) in places.items():
        if status is not Status.COMPLETED:
            print(f"  {status:12} {name} {cause}".rstrip())
    return counts


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("grid", __doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("grid", metavar="GRID", help="a grid's name (swarmformer variants) or file")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="parent of the grid's folder (default: runs)")
    parser.add_argument("--executor", default="local", metavar="NAME", help="where cells run (default: local)")
    parser.add_argument("--workers", type=int, default=0, help="cells at once (local: one per GPU or core)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="where to run")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: ``swarmformer grid``; 1 where a cell is not completed after run or retry."""
    parser = _parser()

    def run() -> int:
        options = parser.parse_args(words_of(arguments))
        if options.workers < 0:
            parser.error("--workers must not be negative")
        options.grid = grid_path(options.grid)
        return COMMANDS[options.command](options, load_plan(options.grid))

    return logged_exit_status(run, "stopped; the same command goes on from here")


def _plan(options: argparse.Namespace, plan: Plan) -> int:
    print_plan(plan)
    for line in read_data(plan):
        print(line)
    folder = options.runs / plan.name
    print(f"registered as {register(plan, folder)[:12]} in {folder}")
    return 0


def _status(options: argparse.Namespace, plan: Plan) -> int:
    print_status(plan, options.runs / plan.name)
    return 0


def _run(options: argparse.Namespace, plan: Plan) -> int:
    resolve_device(options.device)
    signal.signal(signal.SIGTERM, _stop)
    folder = options.runs / plan.name
    if not has_started(folder):
        read_data(plan)
    executor = find_executor(options.executor)
    workers = options.workers or executor.default_workers(max(plan.size, len(list(plan.trials()))), options.device)
    runner = Runner(plan, options.grid, folder, executor(workers, options.device))
    counts = runner.run()
    print_status(plan, folder)
    print(f"runs are in {folder}")
    return 0 if counts[Status.COMPLETED] == plan.size and not runner.failed_extras else 1


def _retry(options: argparse.Namespace, plan: Plan) -> int:
    logger.info("%d failed cells set aside", retry(plan, options.runs / plan.name))
    return _run(options, plan)


COMMANDS = {"plan": _plan, "status": _status, "run": _run, "retry": _retry}


if __name__ == "__main__":
    sys.exit(main())
