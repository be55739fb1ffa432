"""What a grid does with its plan: run what is not finished, keep the plan's record."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from pathlib import Path

from filelock import FileLock

from swarmformer import records
from swarmformer.records import CHECKPOINT, COSTS, FAILURE, OUTPUT, PLAN, UnreadableFileError
from swarmformer.yaml import display

from .. import costs, floors, worker
from ..cells import WITHOUT_MODEL, CellError, prepare, status_of
from ..faults import raised_at
from ..follow import Outlook
from ..index import Index
from ..limits import StartLimits
from ..plan import Cell, Plan
from ..plan.registration import register
from ..status import Status, done_of
from ..tuning import choice_of, set_aside, settle
from ..watch import Watch
from . import Executor, Job, run_jobs
from .failures import MAX_DEATHS, after_deaths, cause_of_exit, record_failure
from .kept import keep_best, lacking, unasked
from .supervise import BUSY, STOPPED

logger = logging.getLogger("swarmformer.grid")
BUSY_POLL_S = 2.0
UNFINISHED = (Status.PENDING, Status.INTERRUPTED, Status.RUNNING)


class GridScheduler:
    """Runs what is unfinished of a plan in ``folder``: its trials, then its cells; several may work on one folder.

    ``plan`` has the chosen values once the trials are over. ``threads``: of latency, 0 for all; those of a cell are the
    executor's. ``seeds_together``: cells of one specification in a process. ``only``: names of those to be started.
    """

    def __init__(
        self, plan: Plan, grid_file: Path, folder: Path, executor: Executor, threads: int = 0,
        limits: StartLimits | None = None, seeds_together: int = 1, only: frozenset[str] | None = None,
    ) -> None:  # fmt: skip
        self.plan, self.grid_file, self.folder, self.executor, self.threads = plan, grid_file, folder, executor, threads
        self.limits, self.seeds_together, self.only = limits or plan.grid.limits, seeds_together, only
        self.parted: set[str] = set()  # cells that did not end in a process with others
        self.done, self.total = 0, plan.size
        self.failed_extras: list[str] = []  # floors and latency that could not be had
        self.deaths: Counter[str] = Counter()  # jobs that ended without a word, by cell
        self.left: dict[str, float] = {}  # when the checkpoint of such a cell was written
        self.arms: dict[str, str] = {}  # of the cells that were started, by name
        self.members: dict[str, list[str]] = {}  # the cells of a job, by its title
        self.waiting = self.unasked = False
        self.index = Index(folder)
        self.watch = Watch()

    def run(self) -> Counter[Status]:
        """Everything there is to do; returns the counts of the cells' statuses."""
        register(self.plan, self.folder)
        store_plan(self.plan, self.folder)
        if self.plan.grid.tune is not None:
            self._tune()
        # Floors take minutes and are not waited for between trials and cells: they run beside the latter.
        is_last = self._nothing_is_left()
        self._work_off(list(self.plan.cells()), [self._floors()] if self.plan.grid.floors and is_last else [])
        self._keep_best()
        for path in lacking(self.plan, self.folder):
            logger.warning("%s: %s", path.relative_to(self.folder), WITHOUT_MODEL)
        for path, tasks in unasked(self.plan, self.folder):
            self.unasked = True
            logger.warning("%s: finished before it was asked about %s as it is now; moving result.json away trains the "
                           "cell anew, which should be done of all that are compared",
                           path.relative_to(self.folder), ", ".join(tasks))  # fmt: skip
        if self.plan.grid.latency is not None and is_last and len(self.plan.open_arms) < len(self.plan.arms):
            self._measure_costs()
        return Counter(self._status(cell) for cell in self.plan.cells())

    def _may_start(self, cell: Cell) -> bool:
        return self.only is None or self._name(cell) in self.only

    def _nothing_is_left(self) -> bool:
        """Beside what may be started, so that floors and latency are due; else they are left to a run of the rest."""
        rest = [self._status(cell) for cell in self.plan.cells() if not self._may_start(cell)]
        return self.only is None or not (self.plan.open_arms or {*rest} & {*UNFINISHED})

    def _tune(self) -> None:
        """Run the trials and take on what they choose."""
        if choice_of(self.plan, self.folder) is None:
            self._work_off(list(self.plan.trials()), [])
        tuning = settle(self.plan, self.folder)
        if tuning is None:
            self._say_what_keeps_the_choice()
        else:
            self.plan = self.plan.with_choice(tuning)

    def _say_what_keeps_the_choice(self) -> None:
        found = {self._name(cell): self._status(cell) for cell in self.plan.trials()}
        damaged = [name for name, status in found.items() if status is Status.UNREADABLE]
        unfinished = [name for name, status in found.items() if status in UNFINISHED]
        if damaged:
            logger.error("nothing is chosen, as trials cannot be read: %s; swarmformer grid retry sets aside what is "
                         "damaged, and runs them again", ", ".join(damaged))  # fmt: skip
        if unfinished:
            words = "nothing is chosen, as trials are not finished: %s; swarmformer grid run goes on with them"
            logger.error(words, ", ".join(unfinished))

    def _work_off(self, wanted: list[Cell], jobs: list[Job]) -> None:
        """The jobs, and of the cells those that are unfinished and may be started."""
        wanted = [cell for cell in wanted if self._may_start(cell)]
        self.total = len(wanted)
        at_once = self.executor.workers * self.seeds_together
        with Watch(self.total, at_once, self._outlook(wanted)) as self.watch:
            while cells := self._unfinished(wanted):
                self.done = self.watch.done = self.total - len(cells)
                free = [cell for cell in cells if self._status(cell) is not Status.RUNNING]
                jobs = [*jobs, *map(self._job, self._groups(free))]
                run_jobs(self.executor, jobs, self._report)
                jobs = []
                if left := self._unfinished(wanted):
                    self._wait_for_others(left)
            run_jobs(self.executor, jobs, self._report)

    def _outlook(self, wanted: list[Cell]) -> Outlook:
        outlook = Outlook(waiting=[cell.arm for cell in self._unfinished(wanted)])
        for cell in wanted:
            if (done := self.index.look(cell.folder(self.folder))[2]) is not None:
                outlook.took(cell.arm, done.seconds)
        self.index.keep()
        return outlook

    def _wait_for_others(self, left: list[Cell]) -> None:
        """Another grid works on what is left; if it dies, the cells are ours."""
        if not self.waiting:
            logger.info("waiting for cells that another process runs: %s", ", ".join(map(self._name, left)))
        self.waiting = True
        time.sleep(BUSY_POLL_S)

    def _status(self, cell: Cell) -> Status:
        return status_of(cell.folder(self.folder), self.index.glance)[0]

    def _name(self, cell: Cell) -> str:
        """Its folder, from that of the grid."""
        return cell.folder(self.folder).relative_to(self.folder).as_posix()

    def _unfinished(self, wanted: list[Cell]) -> list[Cell]:
        cells = [cell for cell in wanted if self.deaths[self._name(cell)] < MAX_DEATHS]
        return [cell for cell in cells if self._status(cell) in UNFINISHED]

    def _groups(self, cells: list[Cell]) -> list[list[Cell]]:
        """Those that run in one process: cells whose seeds alone differ. By the first of each, so that seeds stay
        outermost where every cell has a process of its own."""
        alike, place = defaultdict[object, list[Cell]](list), {self._name(cell): at for at, cell in enumerate(cells)}
        for cell in cells:
            name = self._name(cell)
            alike[name if name in self.parted else (cell.spec.run_key, cell.is_trial)].append(cell)
        size = self.seeds_together
        parts = [group[first : first + size] for group in alike.values() for first in range(0, len(group), size)]
        return sorted(parts, key=lambda part: place[self._name(part[0])])

    def _job(self, cells: list[Cell]) -> Job:
        folders = [cell.folder(self.folder) for cell in cells]
        title, *others = names = [self._name(cell) for cell in cells]
        self.members[title] = names

        def ready() -> bool:
            if not all([self._is_ready(cell) for cell in cells]):
                return False  # what is left of the group is grouped anew
            for cell in cells:
                self.arms[self._name(cell)] = cell.arm
                self.watch.begin(self._name(cell), cell.arm, cell.folder(self.folder))
            return True

        flags = ("--keep-weights",) if self.plan.grid.keep_weights else ()
        beside = [word for folder in folders[1:] for word in ("--beside", str(folder))]
        limits = self.limits.times(len(cells)).words()
        arguments = (str(folders[0]), *beside, "--device", self.executor.device, *flags, *limits)
        return Job(title, worker.__name__, arguments, folders[0] / OUTPUT, ready, folder=None if others else folders[0])

    def _is_ready(self, cell: Cell) -> bool:
        name, folder = self._name(cell), cell.folder(self.folder)
        if status_of(folder)[0] not in (Status.PENDING, Status.INTERRUPTED):
            return False  # another grid was quicker
        try:
            prepare(folder, cell.arm, cell.spec, trial=cell.is_trial)
        except (OSError, CellError, UnreadableFileError) as error:
            logger.error("%s: cannot be prepared, and is left out: %s", name, error)
            self.deaths[name] = MAX_DEATHS
            return False
        return True

    def _keep_best(self, arm: str | None = None) -> None:
        if self.plan.grid.keep_weights == "best":
            keep_best(self.plan, self.folder, arm)

    def _floors(self) -> Job:
        arguments = (str(self.grid_file), "--runs", str(self.folder))
        return Job("floors", floors.__name__, arguments, self.folder / "floors.txt", on_cpu=True)

    def _measure_costs(self) -> None:
        """After all cells, one process with all the threads that there are, or as many as were asked for."""
        arguments = (str(self.grid_file), "--runs", str(self.folder), "--device", self.executor.device)

        def ready() -> bool:
            path = self.folder / COSTS
            if not costs.is_current(path, self.plan):
                return True
            if other := costs.otherwise(path, self.threads, self.executor.device):
                words = "latency is kept as it was measured, on %s; to measure it anew, move %s away"
                logger.warning(words, other, path)
            return False

        job = Job("latency", costs.__name__, arguments, self.folder / "costs.txt", ready, fresh=True)
        run_jobs(self.executor.alone(self.threads), [job], self._report)

    def _report(self, job: Job, exit_status: int, seconds: float) -> None:
        if job.module != worker.__name__:
            words = "done" if exit_status == 0 else f"FAILED, see {job.output}"
            self.failed_extras += [job.title] if exit_status else []
            logger.info("%s: %s (%.0f s)", job.title, words, seconds)
            return
        for name in self.members[job.title]:
            self._report_cell(name, job, exit_status, seconds)

    def _report_cell(self, name: str, job: Job, exit_status: int, seconds: float) -> None:
        self.watch.end(name)
        status, cause = status_of(self.folder / name)
        if status is Status.RUNNING and (exit_status == BUSY or len(self.members[job.title]) > 1):
            return  # of another process
        if status in UNFINISHED:
            self._died(name, job, exit_status)
            status, cause = status_of(self.folder / name)
        if status in UNFINISHED:
            return
        self.done += 1
        self._keep_best(self.arms.get(name))
        self.watch.done = self.done
        words = _words(self.folder / name, status, cause, job.output)
        logger.info("[%d/%d] %s: %s %s (%.0f s)", self.done, self.total, name, status, words, seconds)

    def _died(self, name: str, job: Job, exit_status: int) -> None:
        """A job ended and a cell of it is not finished: it is tried again, and fails where that does not help."""
        if len(self.members[job.title]) > 1:
            logger.warning("%s: did not end beside others, and is run alone; see %s", name, job.output)
            self.parted.add(name)
            return
        folder = self.folder / name
        reached = (folder / CHECKPOINT).stat().st_mtime if (folder / CHECKPOINT).exists() else 0.0
        self.deaths[name] = self.deaths[name] + 1 if reached == self.left.get(name, reached) else 1
        self.left[name] = reached
        cause = "asked to stop from outside" if exit_status == STOPPED else cause_of_exit(exit_status)
        logger.warning("%s: %s (%d of %d), see %s", name, cause, self.deaths[name], MAX_DEATHS, job.output)
        if self.deaths[name] == MAX_DEATHS and exit_status not in (STOPPED, BUSY):
            record_failure(folder, after_deaths(cause), resumable=True)


def _words(folder: Path, status: Status, cause: str, output: Path) -> str:
    """How well a cell did, or what stopped it: where in the code, and the file that has all that it wrote."""
    if status is Status.COMPLETED:
        return f"{100 * _accuracy(folder):.2f} %"
    if status is not Status.FAILED:
        return cause
    place = raised_at(records.load(folder / FAILURE, records.Failure).traceback)
    return f"{cause} ({place}{place and '; '}see {display(output)})"


def _accuracy(folder: Path) -> float:
    """Of a completed cell on the test split, of a trial on the validation split."""
    done = done_of(folder)
    assert done is not None, "asked of completed cells alone"
    return done.metrics.test.accuracy if isinstance(done, records.Result) else done.validation.accuracy


def store_plan(plan: Plan, folder: Path) -> None:
    """Write plan.json; a different one that is there is kept beside it under another name."""
    path = folder / PLAN
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "plan.lock"):
        planned = plan.record(folder)
        if path.exists():
            before = _plan_in(path)
            if before == planned:
                return
            if before is None or before.model_copy(update={"source": planned.source}) != planned:
                kept = set_aside(path)
                logger.warning("the grid file changed since the last start; the former plan is kept as %s", kept.name)
        records.save(path, planned)


def _plan_in(path: Path) -> records.Plan | None:
    """The plan that is there, hashed anew (a hash over the keys of an older version may differ); None if damaged."""
    try:
        return records.load(path, records.Plan).hashed()
    except UnreadableFileError as error:
        logger.warning("%s", error)
        return None
