"""Plan, run and watch a grid: ``python -m experiments.grid plan|run|status|retry GRID.yaml``.

plan    resolve and build every cell, print parameters and FLOPs; nothing runs
run     run what is not finished; the same command continues a killed grid
status  where every cell stands
retry   set failed cells aside (nothing is deleted) and run them anew
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from experiments import costs
from experiments.cells import SCHEMA, CellError, Status, lock_of, prepare, read_json, status_of, write_json
from experiments.plan import Cell, Plan, load_plan
from experiments.pool import Job, Pool, default_workers
from experiments.progress import terminal_log
from experiments.worker import BUSY
from swarmformer.environment import resolve_device
from swarmformer.errors import SwarmformerError

logger = logging.getLogger("swarmformer.grid")
BUSY_POLL_S = 2.0
MAX_DEATHS = 2
UNFINISHED = (Status.PENDING, Status.INTERRUPTED, Status.RUNNING)


def print_plan(plan: Plan) -> None:
    """Arms with their price, and how many cells there are."""
    print(f"{'arm':40} {'run key':16} {'parameters':>12} {'not embedding':>14} {'MFLOP/example':>14}")
    for arm in plan.arms:
        total, rest = arm.parameters["total"], arm.parameters["without_embedding"]
        print(f"{arm.name:40} {arm.spec.run_key:16} {total:12,} {rest:14,} {arm.flops / 1e6:14.2f}")
    print(f"{len(plan.arms)} arms × {len(plan.grid.seeds)} seeds = {len(list(plan.cells()))} cells; all of them build")


def print_status(plan: Plan, folder: Path) -> Counter[Status]:
    """Counts first, then every cell that is not completed, with its cause."""
    found = {cell.name: status_of(folder / cell.name) for cell in plan.cells()}
    counts = Counter(status for status, _ in found.values())
    print(", ".join(f"{status} {counts[status]}" for status in Status if counts[status]))
    for name, (status, cause) in found.items():
        if status is not Status.COMPLETED:
            print(f"  {status:12} {name} {cause}".rstrip())
    return counts


def store_plan(plan: Plan, folder: Path) -> None:
    """Write plan.json; a different one that is there is kept beside it under another name."""
    path = folder / "plan.json"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "plan.lock"):
        if path.exists():
            if _is_plan(path, plan):
                return
            kept = _free_name(folder, "plan", ".json")
            path.replace(kept)
            logger.warning("the grid file changed since the last start; the former plan is kept as %s", kept.name)
        write_json(path, plan.to_dict())


def _is_plan(path: Path, plan: Plan) -> bool:
    try:
        return read_json(path) == {"schema": SCHEMA, **plan.to_dict()}
    except CellError as error:
        logger.warning("%s", error)
        return False


def _free_name(folder: Path, stem: str, suffix: str) -> Path:
    number = 1
    while (folder / f"{stem}-{number}{suffix}").exists():
        number += 1
    return folder / f"{stem}-{number}{suffix}"


class Runner:
    """Runs the unfinished cells of a plan in ``folder``; several may work on one folder at once."""

    def __init__(self, plan: Plan, grid_file: Path, folder: Path, workers: int, device: str) -> None:
        self.plan, self.grid_file, self.folder, self.device = plan, grid_file, folder, device
        self.pool = Pool(workers, self._report, device)
        self.done, self.total = 0, len(list(plan.cells()))
        self.failed_extras: list[str] = []  # floors and latency that could not be had
        self.silent_deaths: Counter[str] = Counter()  # processes that died without a word (out of memory, say), by cell
        self.waiting = False

    def run(self) -> Counter[Status]:
        """Everything there is to do; returns the counts of the cells' statuses."""
        store_plan(self.plan, self.folder)
        jobs = [self._floors()] if self.plan.grid.floors else []
        while cells := self._unfinished():
            self.done = self.total - len(cells)
            self.pool.run(jobs + [self._job(cell) for cell in cells if self._status(cell) is not Status.RUNNING])
            jobs = []
            if left := self._unfinished():
                self._wait_for_others(left)
        self.pool.run(jobs)
        if self.plan.grid.latency is not None:
            self._measure_costs()
        return Counter(self._status(cell) for cell in self.plan.cells())

    def _wait_for_others(self, left: list[Cell]) -> None:
        """Another grid works on what is left; if it dies, the cells are ours."""
        if not self.waiting:
            logger.info("waiting for cells that another process runs: %s", ", ".join(cell.name for cell in left))
        self.waiting = True
        time.sleep(BUSY_POLL_S)

    def _status(self, cell: Cell) -> Status:
        return status_of(self.folder / cell.name)[0]

    def _unfinished(self) -> list[Cell]:
        cells = [cell for cell in self.plan.cells() if self.silent_deaths[cell.name] < MAX_DEATHS]
        return [cell for cell in cells if self._status(cell) in UNFINISHED]

    def _job(self, cell: Cell) -> Job:
        folder = self.folder / cell.name

        def ready() -> bool:
            if status_of(folder)[0] not in (Status.PENDING, Status.INTERRUPTED):
                return False  # another grid was quicker
            prepare(folder, cell.arm, cell.spec)
            return True

        flags = ("--keep-weights",) if self.plan.grid.keep_weights else ()
        arguments = (str(folder), "--device", self.device, *flags)
        return Job(cell.name, "experiments.worker", arguments, folder / "output.txt", ready)

    def _floors(self) -> Job:
        arguments = (str(self.grid_file), "--runs", str(self.folder))
        return Job("floors", "experiments.floors", arguments, self.folder / "floors.txt")

    def _measure_costs(self) -> None:
        """After all cells, with all the machine's threads."""
        arguments = (str(self.grid_file), "--runs", str(self.folder), "--device", self.device)

        def ready() -> bool:
            return not costs.is_current(self.folder / costs.NAME, self.plan)

        job = Job("latency", "experiments.costs", arguments, self.folder / "costs.txt", ready)
        Pool(1, self._report, self.device).run([job])

    def _report(self, job: Job, exit_status: int, seconds: float) -> None:
        if job.module != "experiments.worker":
            words = "done" if exit_status == 0 else f"FAILED, see {job.output}"
            self.failed_extras += [job.title] if exit_status else []
            logger.info("%s: %s (%.0f s)", job.title, words, seconds)
            return
        if exit_status == BUSY:
            return
        status, cause = status_of(self.folder / job.title)
        if status in UNFINISHED:
            self.silent_deaths[job.title] += 1
            logger.warning("%s: its process ended with status %d, see %s", job.title, exit_status, job.output)
            return
        self.done += 1
        accuracy = ""
        if status is Status.COMPLETED:
            result = read_json(self.folder / job.title / "result.json")
            accuracy = f" {100 * result['metrics']['test']['accuracy']:.2f} %"
        logger.info("[%d/%d] %s: %s%s %s(%.0f s)", self.done, self.total, job.title, status, accuracy, cause, seconds)


def retry(plan: Plan, folder: Path) -> int:
    """Set the failures of a plan aside, so that ``run`` starts those cells anew; returns how many."""
    count = 0
    for cell in plan.cells():
        place = folder / cell.name
        if status_of(place)[0] is Status.FAILED:
            with suppress(Timeout), lock_of(place):  # a cell that is being run again already is left alone
                # failure.json goes last: a retry that is killed half-way is still a failed cell.
                for stem, suffix in (("checkpoint", ".safetensors"), ("curve", ".jsonl"), ("failure", ".json")):
                    if (place / f"{stem}{suffix}").exists():
                        (place / f"{stem}{suffix}").replace(_free_name(place, stem, suffix))
                count += 1
    return count


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.grid", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("command", choices=("plan", "run", "status", "retry"))
    parser.add_argument("grid", type=Path, help="a grid file, such as experiments/grids/demo.yaml")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="parent of the grid's folder (default: runs)")
    parser.add_argument("--workers", type=int, default=0, help="processes at once (default: one per GPU or core)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="where to run")
    options = parser.parse_args(arguments)
    if options.workers < 0:
        parser.error("--workers must not be negative")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 where every cell is completed (for run and retry) or nothing is wrong."""
    options = _arguments(arguments)
    try:
        with terminal_log():
            return COMMANDS[options.command](options, load_plan(options.grid))
    except (SwarmformerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130


def _plan(options: argparse.Namespace, plan: Plan) -> int:
    print_plan(plan)
    return 0


def _status(options: argparse.Namespace, plan: Plan) -> int:
    print_status(plan, options.runs / plan.name)
    return 0


def _run(options: argparse.Namespace, plan: Plan) -> int:
    resolve_device(options.device)
    signal.signal(signal.SIGTERM, _stop)
    folder, cells = options.runs / plan.name, len(list(plan.cells()))
    workers = options.workers or default_workers(cells, options.device)
    runner = Runner(plan, options.grid, folder, workers, options.device)
    counts = runner.run()
    print_status(plan, folder)
    print(f"runs are in {folder}")
    return 0 if counts[Status.COMPLETED] == cells and not runner.failed_extras else 1


def _retry(options: argparse.Namespace, plan: Plan) -> int:
    logger.info("%d failed cells set aside", retry(plan, options.runs / plan.name))
    return _run(options, plan)


COMMANDS = {"plan": _plan, "status": _status, "run": _run, "retry": _retry}


if __name__ == "__main__":
    sys.exit(main())
