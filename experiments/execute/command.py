"""``swarmformer grid run`` of what is not known to be finished: resolve the grid, run it, say how it ended."""

from __future__ import annotations

import argparse
import logging
import signal
from collections import Counter
from importlib.util import find_spec
from types import FrameType

from swarmformer.errors import SpecError

from ..finished import made_by_others, remember
from ..limits import StartLimits
from ..overview import print_status
from ..plan import Plan, load_plan
from ..plan.command import remarks, warnings
from ..plan.data import read_data
from ..plan.registration import has_started
from ..status import Status
from . import Executor, find_executor, options_of
from .gpus import settle_device
from .scheduler import GridScheduler

logger = logging.getLogger("swarmformer.grid")
ENDED = (Status.COMPLETED, Status.FAILED, Status.UNREADABLE)


def resolve_and_run(options: argparse.Namespace, only: frozenset[str] | None = None) -> int:
    """Run what is unfinished, as a command line asks: 0 where every cell is completed then, or 1.

    Args:
        only: names of the cells that may be started; None: all.

    Raises:
        SpecError, DataError: a grid that cannot be built, an executor that is not there, or data that cannot be read.
    """
    executor = find_executor(options.executor)
    if not executor.elsewhere:
        options.device = settle_device(options.device)
    if options.seeds_together > 1:
        check_together(options.executor, executor.elsewhere)
    signal.signal(signal.SIGTERM, _stop)
    plan = load_plan(options.grid)
    for line in remarks(plan):
        print(line)
    started = _started(executor, plan, options)
    for words in made_by_others(plan, options.folder):
        logger.warning("%s", words)
    limits = plan.grid.limits.model_copy(update=StartLimits.given(options))
    scheduler = GridScheduler(
        plan, options.grid, options.folder, started, options.threads, limits, options.seeds_together, only
    )
    return _ended(scheduler, scheduler.run(), options)


def check_together(executor: str, elsewhere: bool) -> None:
    """Raise SpecError where seeds cannot share a process."""
    if elsewhere:
        raise SpecError(f"--seeds-together: executor {executor!r} gives each cell a place of its own; use local")
    if find_spec("greenlet") is None:
        raise SpecError("--seeds-together needs greenlet; pip install 'swarmformer[together]'")


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _started(executor: type[Executor], plan: Plan, options: argparse.Namespace) -> Executor:
    """The executor with its options and workers; before it starts own data are read, which may be at fault."""
    own = options_of(executor, options.executor, options.option)
    if not has_started(options.folder):
        for line in warnings(plan, read_data(plan)):
            print(line)
    jobs = max(plan.size, len(list(plan.trials())))
    threads = options.threads or plan.grid.threads
    workers = options.workers or executor.default_workers(jobs, options.device, threads, own)
    return executor(workers, options.device, threads, own)


def _ended(scheduler: GridScheduler, counts: Counter[Status], options: argparse.Namespace) -> int:
    """Say how it ended, and remember a grid that is finished; the exit status."""
    print_status(scheduler.plan.record(options.folder), options.folder, scheduler.index)
    print(f"runs are in {options.folder}")
    if counts[Status.FAILED] or counts[Status.UNREADABLE]:
        print(f"when what failed is mended: swarmformer grid retry {options.again}")
    if scheduler.only is not None and (left := scheduler.plan.size - sum(counts[status] for status in ENDED)):
        print(f"not finished and left alone: {left} cells, which swarmformer grid run {options.again} runs")
    if counts[Status.COMPLETED] < scheduler.plan.size or scheduler.failed_extras:
        return 1
    if not scheduler.unasked:  # of which every run is to tell
        remember(scheduler.plan, options.folder)
    return 0
