"""Plan, run and watch a grid: ``swarmformer grid plan|run|status|retry|export|seal GRID``, ``unseal DIR``.

plan    resolve and build every cell, read own files, print parameters and FLOPs, register the plan; nothing runs
run     run what is not finished; the same command continues a killed grid
status  where every cell stands and how far those are that run, also from another shell
retry   set aside what failed or cannot be read (nothing is deleted) and run it; a cell whose cause lay outside of it,
        as a full disk or a limit, goes on from its checkpoint
export  curves, options and results into a folder of TensorBoard or MLflow
seal    the records of a finished grid in one file, DIR/runs.parquet, to keep, commit and report; of predictions it has
        what was answered, and no weights
unseal  lay a sealed grid out again as a folder of cells; status, export and reports read a sealed one as it is

A grid that says tune: runs its trials first, then its cells with the values that they chose.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from swarmformer import records
from swarmformer.cli.command import at_least_one, command_parser, count, words_of
from swarmformer.errors import SpecError

from .export import KINDS, export_grid
from .finished import finished_plan, made_by_others, remember
from .index import Index
from .limits import StartLimits
from .overview import print_status
from .planned import grid_path, plan_on_disk, source_of
from .progress import logged_exit_status
from .status import Status

if TYPE_CHECKING:  # what resolves a grid imports torch; whoever only looks does without
    from .plan import Plan

logger = logging.getLogger("swarmformer.grid")
RUNS = Path("runs")
FEW_SEEDS = {1: "1 seed: there is no interval, so that nothing can be decided",
             2: "2 seeds: hardly any difference can be decided"}  # fmt: skip
OF_FOLDER = ("status", "export", "seal")
"""Commands that write nothing into the grid's folder: it may be named instead of the grid."""


def print_plan(plan: Plan) -> None:
    """Arms with their price, and how many cells there are."""
    print(f"{'arm':40} {'run key':16} {'parameters':>12} {'not embedding':>14} {'MFLOP/example':>14}")
    for arm in plan.arms:
        total, rest, flops = arm.parameters.total, arm.parameters.without_embedding, arm.flops.forward
        key = "to be chosen" if arm.is_open else arm.run_key
        print(f"{arm.name:40} {key:16} {total:12,} {rest:14,} {flops / 1e6:14.2f}")
    print(f"{len(plan.arms)} arms × {len(plan.grid.seeds)} seeds = {plan.size} cells; all of them build")
    if (seeds := len(plan.grid.seeds)) in FEW_SEEDS:
        print(f"{FEW_SEEDS[seeds]}; see docs/grids.md, 'How many seeds, which margin'")
    _print_remarks(plan)
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


def _print_remarks(plan: Plan) -> None:
    """What a comparison of these arms must not overlook, and which they are."""
    said = dict[str, list[str]]()
    for arm in plan.arms:
        for remark in arm.remarks:
            said.setdefault(remark, []).append(arm.name)
    for remark, arms in said.items():
        print(f"warning: {', '.join(arms)}: {remark}")
    if said:
        print("Such an arm is at a disadvantage for its size or task, or breaks its contract, so that a comparison "
              "with it may say little of the mechanism: mend it, change its options or sizes (model: in the file), "
              "or leave the arm out")  # fmt: skip


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("grid", __doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", help="plan, run, … as above")
    for name, run in COMMANDS.items():
        one = commands.add_parser(name)  # without help: the commands are described above
        one.set_defaults(run=run)
        if name == "unseal":
            one.add_argument("sealed", type=Path, metavar="SEALED", help="runs.parquet, or the folder that it lies in")
            one.add_argument("out", type=Path, metavar="DIR", help="a new folder")
            continue
        folder = ", or the folder that it ran in" if name in OF_FOLDER else ""
        one.add_argument("grid", metavar="GRID", help=f"a grid's name (swarmformer variants) or file{folder}")
        one.add_argument("--runs", type=Path, help=f"parent of the grid's folder (default: {RUNS})")
        if name in ("run", "retry"):
            _add_running(one)
        elif name == "export":
            one.add_argument("--to", required=True, choices=KINDS, help="whose folder it becomes")
            one.add_argument("out", type=Path, metavar="DIR", help="the folder; brought up to date where it is there")
        elif name == "seal":
            one.add_argument("out", type=Path, metavar="DIR", help="a folder elsewhere; made where it is not there")
            one.add_argument("--finished-only", action="store_true", help="leave out what neither finished nor failed")
    return parser


def _add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--executor", default="local", metavar="NAME", help="local (default), ray, slurm or your own")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="of the executor")
    parser.add_argument("--workers", type=count, default=0, help="cells at once (local: one per GPU or core)")
    parser.add_argument("--threads", type=count, default=0, help="of a cell; over threads of the grid file")
    parser.add_argument("--seeds-together", type=at_least_one, default=1, metavar="N",
                        help="seeds of an arm in one process, whose gradients one pass computes (a GPU, small models)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="where to run")
    StartLimits.add_flags(parser)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: ``swarmformer grid``; 1 where a cell is not completed after run or retry."""
    parser = _parser()

    def run() -> int:
        options = parser.parse_args(words_of(arguments))
        if options.command != "unseal":
            _find(options)
        status: int = options.run(options)
        return status

    return logged_exit_status(run, "stopped; the same command goes on from here")


def _find(options: argparse.Namespace) -> None:
    """The grid's file and folder; of some commands the folder alone may be named.

    Raises:
        SpecError: no such grid, or it is sealed and the command wants its cells.
    """
    named = Path(options.grid)
    if options.command in OF_FOLDER and options.runs is None and plan_on_disk(records.opened(named)) is not None:
        options.grid, options.folder = None, named
    else:
        options.grid = grid_path(options.grid)
        options.again = f"{named}{'' if options.runs is None else f' --runs {options.runs}'}"
        options.folder = (options.runs or RUNS) / options.grid.stem
    if options.command not in ("status", "export") and (options.folder / records.ARCHIVE).exists():
        raise SpecError(f"{options.folder}: sealed into {records.ARCHIVE}; lay it out with swarmformer grid unseal "
                        f"{options.folder} DIR, or name other --runs")  # fmt: skip


def _plan(options: argparse.Namespace) -> int:
    from .plan import load_plan
    from .plan.data import cut_texts, read_data
    from .plan.registration import register

    plan = load_plan(options.grid)
    print_plan(plan)
    for line in (*read_data(plan), *cut_texts(plan)):
        print(line)
    print(f"registered as {register(plan, options.folder)[:12]} in {options.folder}")
    return 0


def _status(options: argparse.Namespace) -> int:
    folder = records.opened(options.folder)
    as_it_lies = folder != options.folder or options.grid is None
    plan = plan_on_disk(folder) if as_it_lies else None
    print_status(plan or _current_plan(options.grid, folder), folder)
    return 0


def _export(options: argparse.Namespace) -> int:
    folder = records.opened(options.folder)
    plan = plan_on_disk(folder)
    if plan is None:
        raise SpecError(f"{options.folder}: no plan here to export; see --runs, or run the grid first")
    export_grid(plan, folder, options.to, options.out)
    return 0


def _seal(options: argparse.Namespace) -> int:
    sealed = records.seal(options.folder, options.out, finished_only=options.finished_only)
    print(f"{sealed.path}: {sealed.path.stat().st_size:,} bytes")
    for cell in sealed.left_out:
        print(f"left out, neither finished nor failed: {cell}")
    for folder in sealed.weights:
        print(f"not in it: {folder}; copy what you want to keep")
    return 0


def _unseal(options: argparse.Namespace) -> int:
    records.unseal(options.sealed, options.out)
    print(f"laid out in {options.out}")
    return 0


def _current_plan(grid: Path, folder: Path) -> records.Plan:
    """What a grid asks for: as it was planned, or resolved anew where its files are others by now."""
    plan = plan_on_disk(folder, source_of(grid))
    if plan is not None:
        return plan
    if plan_on_disk(folder) is not None:
        logger.warning("the plan in %s is of other files: %s or a variant changed since, or an older version wrote it. "
                       "What follows is of what it asks for now", folder, grid)  # fmt: skip
    from .plan import load_plan

    return load_plan(grid).record(folder)


def _run(options: argparse.Namespace) -> int:
    index = Index(options.folder)
    # What is asked for beyond that is checked, and held against how latency was measured.
    plain = options.executor == "local" and not options.option and options.device == "auto" and not options.threads
    finished = finished_plan(options.grid, options.folder, index) if plain else None
    if finished is None:
        return _resolve_and_run(options)
    print_status(finished, options.folder, index)
    print(f"runs are in {options.folder}")
    return 0


def _resolve_and_run(options: argparse.Namespace) -> int:
    from swarmformer.environment import resolve_device

    from .execute import find_executor, options_of
    from .execute.scheduler import GridScheduler
    from .plan import load_plan
    from .plan.data import read_data
    from .plan.registration import has_started

    executor = find_executor(options.executor)
    if not executor.elsewhere:
        resolve_device(options.device)
    if options.seeds_together > 1:
        _check_together(options.executor, executor.elsewhere)
    signal.signal(signal.SIGTERM, _stop)
    plan = load_plan(options.grid)
    _print_remarks(plan)
    said = options_of(executor, options.executor, options.option)
    if not has_started(options.folder):
        read_data(plan)
    jobs = max(plan.size, len(list(plan.trials())))
    threads = options.threads or plan.grid.threads
    workers = options.workers or executor.default_workers(jobs, options.device, threads, said)
    limits = plan.grid.limits.model_copy(update=StartLimits.given(options))
    started = executor(workers, options.device, threads, said)
    for words in made_by_others(plan, options.folder):
        logger.warning("%s", words)
    runner = GridScheduler(
        plan, options.grid, options.folder, started, options.threads, limits, options.seeds_together
    )
    counts = runner.run()
    print_status(runner.plan.record(options.folder), options.folder, runner.index)
    print(f"runs are in {options.folder}")
    if counts[Status.FAILED] or counts[Status.UNREADABLE]:
        print(f"when what failed is mended: swarmformer grid retry {options.again}")
    if counts[Status.COMPLETED] < plan.size or runner.failed_extras:
        return 1
    if not runner.unasked:  # of which every run is to tell
        remember(runner.plan, options.folder)
    return 0


def _check_together(executor: str, elsewhere: bool) -> None:
    if elsewhere:
        raise SpecError(f"--seeds-together: executor {executor!r} gives each cell a place of its own; use local")
    if find_spec("greenlet") is None:
        raise SpecError("--seeds-together needs greenlet; pip install 'swarmformer[together]'")


def _retry(options: argparse.Namespace) -> int:
    from .execute.failures import retry
    from .plan import load_plan

    logger.info("set aside %d cells", retry(load_plan(options.grid), options.folder))
    return _run(options)


Command = Callable[[argparse.Namespace], int]
COMMANDS: dict[str, Command] = {
    "plan": _plan, "status": _status, "run": _run, "retry": _retry, "export": _export, "seal": _seal, "unseal": _unseal,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
