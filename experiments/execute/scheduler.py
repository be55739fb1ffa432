"""What a grid does with its plan: run what is not finished, set failures aside, keep the plan's record."""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from swarmformer import records
from swarmformer.records import COSTS, PLAN, RESULT, UnreadableFileError

from .. import costs, floors, worker
from ..cells import Status, lock_of, prepare, status_of
from ..plan import Cell, Plan
from ..plan.registration import register
from . import Executor, Job, run_jobs

logger = logging.getLogger("swarmformer.grid")
BUSY_POLL_S = 2.0
MAX_DEATHS = 2
UNFINISHED = (Status.PENDING, Status.INTERRUPTED, Status.RUNNING)


class Runner:
    """Runs the unfinished cells of a plan in ``folder``; several may work on one folder at once."""

    def __init__(self, plan: Plan, grid_file: Path, folder: Path, executor: Executor) -> None:
        self.plan, self.grid_file, self.folder, self.executor = plan, grid_file, folder, executor
        self.done, self.total = 0, len(list(plan.cells()))
        self.failed_extras: list[str] = []  # floors and latency that could not be had
        self.silent_deaths: Counter[str] = Counter()  # processes that died without a word (out of memory, say), by cell
        self.waiting = False

    def run(self) -> Counter[Status]:
        """Everything there is to do; returns the counts of the cells' statuses."""
        register(self.plan, self.folder)
        store_plan(self.plan, self.folder)
        jobs = [self._floors()] if self.plan.grid.floors else []
        while cells := self._unfinished():
            self.done = self.total - len(cells)
            jobs += [self._job(cell) for cell in cells if self._status(cell) is not Status.RUNNING]
            run_jobs(self.executor, jobs, self._report)
            jobs = []
            if left := self._unfinished():
                self._wait_for_others(left)
        run_jobs(self.executor, jobs, self._report)
        if self.plan.grid.latency is not None:
            self._measure_costs()
        return Counter(self._status(cell) for cell in self.plan.cells())

    def _wait_for_others(self, left: list[Cell]) -> None:
        """Another grid works on what is left; if it dies, the cells are ours."""
        if not self.waiting:
            logger.info("waiting for cells that another process runs: %s", ", ".join(map(self._name, left)))
        self.waiting = True
        time.sleep(BUSY_POLL_S)

    def _status(self, cell: Cell) -> Status:
        return status_of(cell.folder(self.folder))[0]

    def _name(self, cell: Cell) -> str:
        return cell.folder(self.folder).name

    def _unfinished(self) -> list[Cell]:
        cells = [cell for cell in self.plan.cells() if self.silent_deaths[self._name(cell)] < MAX_DEATHS]
        return [cell for cell in cells if self._status(cell) in UNFINISHED]

    def _job(self, cell: Cell) -> Job:
        folder = cell.folder(self.folder)

        def ready() -> bool:
            if status_of(folder)[0] not in (Status.PENDING, Status.INTERRUPTED):
                return False  # another grid was quicker
            prepare(folder, cell.arm, cell.spec)
            return True

        flags = ("--keep-weights",) if self.plan.grid.keep_weights else ()
        arguments = (str(folder), "--device", self.executor.device, *flags)
        return Job(folder.name, worker.__name__, arguments, folder / "output.txt", ready)

    def _floors(self) -> Job:
        arguments = (str(self.grid_file), "--runs", str(self.folder))
        return Job("floors", floors.__name__, arguments, self.folder / "floors.txt")

    def _measure_costs(self) -> None:
        """After all cells, with all the machine's threads."""
        arguments = (str(self.grid_file), "--runs", str(self.folder), "--device", self.executor.device)

        def ready() -> bool:
            return not costs.is_current(self.folder / COSTS, self.plan)

        job = Job("latency", costs.__name__, arguments, self.folder / "costs.txt", ready, fresh=True)
        run_jobs(type(self.executor)(1, self.executor.device), [job], self._report)

    def _report(self, job: Job, exit_status: int, seconds: float) -> None:
        if job.module != worker.__name__:
            words = "done" if exit_status == 0 else f"FAILED, see {job.output}"
            self.failed_extras += [job.title] if exit_status else []
            logger.info("%s: %s (%.0f s)", job.title, words, seconds)
            return
        if exit_status == worker.BUSY:
            return
        status, cause = status_of(self.folder / job.title)
        if status in UNFINISHED:
            self.silent_deaths[job.title] += 1
            logger.warning("%s: its process ended with status %d, see %s", job.title, exit_status, job.output)
            return
        self.done += 1
        accuracy = ""
        if status is Status.COMPLETED:
            result = records.load(self.folder / job.title / RESULT, records.Result)
            accuracy = f" {100 * result.metrics.test.accuracy:.2f} %"
        logger.info("[%d/%d] %s: %s%s %s(%.0f s)", self.done, self.total, job.title, status, accuracy, cause, seconds)


def store_plan(plan: Plan, folder: Path) -> None:
    """Write plan.json; a different one that is there is kept beside it under another name."""
    path = folder / PLAN
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "plan.lock"):
        planned = plan.record(folder)
        if path.exists():
            if _is_plan(path, planned):
                return
            kept = _free_name(folder, "plan", ".json")
            path.replace(kept)
            logger.warning("the grid file changed since the last start; the former plan is kept as %s", kept.name)
        records.save(path, planned)


def _is_plan(path: Path, planned: records.Plan) -> bool:
    """Whether the plan that is there says the same; a hash over the keys of an older version may differ."""
    try:
        return records.load(path, records.Plan).hashed() == planned
    except UnreadableFileError as error:
        logger.warning("%s", error)
        return False


def _free_name(folder: Path, stem: str, suffix: str) -> Path:
    number = 1
    while (folder / f"{stem}-{number}{suffix}").exists():
        number += 1
    return folder / f"{stem}-{number}{suffix}"


def retry(plan: Plan, folder: Path) -> int:
    """Set the failures of a plan aside, so that ``run`` starts those cells anew; returns how many."""
    count = 0
    for cell in plan.cells():
        place = cell.folder(folder)
        if status_of(place)[0] is Status.FAILED:
            with suppress(Timeout), lock_of(place):  # a cell that is being run again already is left alone
                # failure.json goes last: a retry that is killed half-way is still a failed cell.
                for stem, suffix in (("checkpoint", ".safetensors"), ("curve", ".jsonl"), ("failure", ".json")):
                    if (place / f"{stem}{suffix}").exists():
                        (place / f"{stem}{suffix}").replace(_free_name(place, stem, suffix))
                count += 1
    return count
