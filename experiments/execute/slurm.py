"""Jobs of a Slurm cluster, through submitit: what waits at once becomes a job array.

A job is our local executor with one job on the node that Slurm chose. When its time is up, or somebody with more right
comes, Slurm sends SIGUSR2: the cell is stopped, keeps its checkpoint, and submitit puts the job back into the queue.
Jobs outlive a driver that is killed; the next one waits for cells that run, and a job that comes too late finds its
cell finished. submitit passes jobs in pickle files: its folder, ``slurm/`` beside the cells, is to be as private as
they are.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from swarmformer.contracts import Strict
from swarmformer.errors import SpecError
from swarmformer.extras import require

from . import Executor, Job
from .local import Local
from .supervise import FORKS

logger = logging.getLogger("swarmformer.grid")
LOOK_S, GRACE_S = 1.0, 60.0
LONGEST = 1000
"""Jobs of an array: what Slurm takes unless MaxArraySize says otherwise."""
FOLDER = "slurm"
LOST = 1
"""Exit status of a job that Slurm ended, or whose node is gone."""
RUNNING: list[Local] = []
"""In a job's process: what runs there, for the handler of SIGUSR2."""


class Options(Strict):
    """What sbatch is told; what is not given is left to the cluster."""

    cluster: Literal["slurm", "local", "debug"] = Field("slurm", description="local: submitit's own, to try it here")
    partition: str | None = Field(None, description="of the cluster")
    account: str | None = Field(None, description="that pays")
    qos: str | None = Field(None, description="quality of service")
    constraint: str | None = Field(None, description="on nodes")
    minutes: int = Field(60, gt=0, description="of a job; then its cell is stopped and goes on in the queue")
    memory_gb: float | None = Field(None, gt=0, description="of a job")
    cpus: int | None = Field(None, gt=0, description="of a job; as many as a cell has threads unless given")
    gpus: int | None = Field(None, ge=0, description="of a job; one unless --device is cpu")
    setup: str = Field("", description="a line of shell before the job: module load …")
    requeues: int = Field(100, ge=0, description="how often a job whose time is up goes back into the queue")
    signal_s: int = Field(90, gt=0, description="seconds before its end that a job is told so")


@dataclass(frozen=True)
class OnNode:
    """A job as submitit carries it to its node."""

    module: str
    arguments: tuple[str, ...]
    output: Path
    device: str
    threads: int
    fresh: bool

    def __call__(self) -> int:
        """Run it; its exit status."""
        local = Local(1, self.device, self.threads)
        local.method = "fork" if FORKS else "spawn"  # this process has imported what a cell needs, and has one thread
        RUNNING.append(local)
        try:
            local.submit(Job("", self.module, self.arguments, self.output, fresh=self.fresh))
            return next(iter(local.ask().values()))
        finally:
            local.cancel()
            RUNNING.remove(local)

    def checkpoint(self) -> Any:
        """SIGUSR2: stop, keep the checkpoint, and run again."""
        from submitit.helpers import DelayedSubmission

        for local in RUNNING:
            local.cancel()
        return DelayedSubmission(self)


class Slurm(Executor):
    """Submits to a cluster; see ``Options``."""

    Options = Options
    elsewhere = True

    def __init__(self, workers: int, device: str = "auto", threads: int = 1, options: Any = None) -> None:
        super().__init__(workers, device, threads, options)
        require("slurm", "submitit")
        self.waiting: list[Job] = []
        self.running: dict[Job, Any] = {}

    @classmethod
    def default_workers(cls, jobs: int, device: str, threads: int = 1, options: Any = None) -> int:
        """All at once: the queue is Slurm's business."""
        return min(jobs, LONGEST)

    def submit(self, job: Job) -> None:
        self.waiting.append(job)

    def ask(self) -> dict[Job, int]:
        self._flush()
        while True:
            ended = {job: _status(job, there) for job, there in self.running.items() if there.done()}
            if ended:
                self.running = {job: there for job, there in self.running.items() if job not in ended}
                return ended
            time.sleep(LOOK_S)

    def cancel(self) -> None:
        for there in self.running.values():
            there.cancel(check=False)
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until and not all(there.done() for there in self.running.values()):
            time.sleep(LOOK_S)
        self.waiting, self.running = [], {}

    def _flush(self) -> None:
        """Submit what has come together since the last look: as one array."""
        jobs, self.waiting = self.waiting, []
        if not jobs:
            return
        of_us = (self.device, self.threads)
        carried = [OnNode(job.module, job.arguments, job.output, *of_us, job.fresh) for job in jobs]
        for job in jobs:
            job.output.parent.mkdir(parents=True, exist_ok=True)
        beside = jobs[0].folder.parent if jobs[0].folder else jobs[0].output.parent
        self.running |= zip(jobs, self._submitted(beside / FOLDER, carried), strict=True)

    def _submitted(self, folder: Path, carried: list[OnNode]) -> list[Any]:
        from submitit.core.utils import FailedJobError

        try:
            return list(self.to(folder).submit_array(carried))
        except FailedJobError as error:
            said = " ".join(str(error).split())
            raise SpecError(f"executor 'slurm': the cluster does not take the jobs: {said}. See --option partition=, "
                            "account=, gpus= and the others; --device cpu asks for no GPU") from error  # fmt: skip

    def to(self, folder: Path) -> Any:
        """submitit's executor with our options, whose files lie in ``folder``."""
        import submitit

        said: Options = self.options
        try:
            there = submitit.AutoExecutor(folder, cluster=said.cluster, slurm_max_num_timeout=said.requeues)
        except RuntimeError as error:
            raise SpecError(f"executor 'slurm': {error} Try --option cluster=local to rehearse it here") from None
        plain = {
            "name": "swarmformer", "timeout_min": said.minutes, "mem_gb": said.memory_gb,
            "cpus_per_task": said.cpus or self.threads or None, "gpus_per_node": self._gpus(),
        }  # fmt: skip
        alone = said.cpus is None and not self.threads  # a measurement by all threads that a node has
        of_slurm = {
            "partition": said.partition, "account": said.account, "qos": said.qos, "constraint": said.constraint,
            "signal_delay_s": said.signal_s, "array_parallelism": self.workers,
            "setup": [said.setup] if said.setup else None,
            "exclusive": alone or None, "srun_args": ["--cpu-bind=none"] if alone else None,
        }  # fmt: skip
        given = {**plain, **{f"slurm_{key}": value for key, value in of_slurm.items()}}
        there.update_parameters(**{key: value for key, value in given.items() if value is not None})
        return there

    def _gpus(self) -> int | None:
        said: Options = self.options
        return (None if self.device == "cpu" else 1) if said.gpus is None else said.gpus or None


def _status(job: Job, there: Any) -> int:
    error = there.exception()
    if error is None:
        return int(there.result())
    last = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    logger.warning("%s: job %s: %s: %s", job.title, there.job_id, there.state, last[0])
    return LOST
