"""Plan, run and watch a grid: ``swarmformer grid plan|run|status|retry|export|seal GRID``, ``unseal DIR``.

plan    resolve and build every cell, read own files, print parameters and FLOPs, register the plan; nothing runs
run     run what is not finished; the same command continues a killed grid
status  where every cell stands and how far those are that run, also from another shell
retry   set aside what failed or cannot be read (nothing is deleted) and run it again, and nothing else; a cell whose
        cause lay outside of it, as a full disk or a limit, goes on from its checkpoint
export  curves, options and results into a folder of TensorBoard or MLflow
seal    the records of a finished grid in one file, DIR/runs.parquet, to keep, commit and report; of predictions it has
        what was answered, and no weights
unseal  lay a sealed grid out again as a folder of cells; status, export and reports read a sealed one as it is

A grid that says tune: runs its trials first, then its cells with the values that they chose.
"""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from swarmformer import records
from swarmformer.cli.command import at_least_one, command_parser, count, words_of
from swarmformer.errors import SpecError

from .export import KINDS, export_grid
from .finished import finished_plan
from .index import Index
from .limits import StartLimits
from .overview import print_status
from .planned import grid_path, plan_on_disk, source_of
from .progress import logged_exit_status

logger = logging.getLogger("swarmformer.grid")
RUNS = Path("runs")
OF_FOLDER = ("status", "export", "seal")
"""Commands that write nothing into the grid's folder: it may be named instead of the grid."""


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

    return logged_exit_status(run, "stopped; swarmformer grid run goes on from here")


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
        options.again = shlex.join([str(named), *([] if options.runs is None else ["--runs", str(options.runs)])])
        options.folder = (options.runs or RUNS) / options.grid.stem
    if options.command not in ("status", "export") and (options.folder / records.ARCHIVE).exists():
        raise SpecError(f"{options.folder}: sealed into {records.ARCHIVE}; lay it out with swarmformer grid unseal "
                        f"{options.folder} DIR, or name other --runs")  # fmt: skip


def _plan(options: argparse.Namespace) -> int:
    from .plan.command import plan_grid

    plan_grid(options.grid, options.folder)
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
        from .execute.command import resolve_and_run

        return resolve_and_run(options)
    print_status(finished, options.folder, index)
    print(f"runs are in {options.folder}")
    return 0


def _retry(options: argparse.Namespace) -> int:
    from .execute.command import resolve_and_run
    from .execute.failures import retry
    from .plan import load_plan

    failed = retry(load_plan(options.grid), options.folder)
    logger.info("set aside %d cells", len(failed))
    return resolve_and_run(options, only=failed)


Command = Callable[[argparse.Namespace], int]
COMMANDS: dict[str, Command] = {
    "plan": _plan, "status": _status, "run": _run, "retry": _retry, "export": _export, "seal": _seal, "unseal": _unseal,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
