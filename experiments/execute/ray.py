"""Jobs of a Ray cluster: one that is there, by address, or one that is started here for as long as the grid runs.

A place is an actor with the CPUs and the share of a GPU that a cell may have; in it our local executor runs one job
after another. A place that is lost, with its worker or with its whole node, is put up again elsewhere and the cell goes
on. Cells lie on a disk that all nodes share; or, with ``stream``, on each node's own, and their files come through the
object store to the driver, which alone writes them, holds the cell's lock meanwhile, and writes its result last.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmformer.errors import SpecError

from ..owner import GLANCE_S, CellBusyError, Hold, held
from . import Executor, Job
from .local import Local
from .ray_cluster import Options, connected, cpus_of, gpus_of, room
from .ray_place import Place, files_of, write_files
from .supervise import BUSY

logger = logging.getLogger("swarmformer.grid")
LOOK_S, GRACE_S, WAIT_S = 0.5, 25.0, 120.0
LOST = 1
"""Exit status of a job whose places were lost too often."""
CARRIED = ("SWARMFORMER_", "HF_", "OMP_", "TOKENIZERS_")


@dataclass(eq=False)
class Running:
    """A job and the place where it runs; ``lost`` places before; ``since`` when it waits for an answer, and whether it
    was ``told``; of a streamed cell the hold on it."""

    job: Job
    place: Any
    reply: Any = None
    lost: int = 0
    since: float = field(default_factory=time.monotonic)
    told: bool = False
    hold: Hold | None = None
    locks: ExitStack = field(default_factory=ExitStack)


class Ray(Executor):
    """Places on a cluster; see ``Options``."""

    Options = Options
    elsewhere = True

    def __init__(self, workers: int, device: str = "auto", threads: int = 1, options: Any = None) -> None:
        super().__init__(workers, device, threads, options)
        self.ray = connected(self.options)
        self.idle: list[Any] = []
        self.running: list[Running] = []
        self.ended: dict[Job, int] = {}
        self.here = Local(1, device, threads)  # of a grid that streams: what is not a cell
        cpus, gpus = self._cpus(), self._gpus()
        if device == "cuda" and not self.ray.cluster_resources().get("GPU"):
            raise SpecError("executor 'ray': no node has a GPU, which --device cuda asks for. Use --device cpu or auto")
        if not room(self.ray, cpus, gpus):
            raise SpecError(f"executor 'ray': no node has {cpus:g} CPUs and {gpus:g} GPUs, which a cell is to have; "
                            "see --threads, --device cpu, --option cpus= and gpus=")  # fmt: skip

    @classmethod
    def default_workers(cls, jobs: int, device: str, threads: int = 1, options: Any = None) -> int:
        """As many as the cluster has room for."""
        said: Options = options or Options.model_validate({})
        ray = connected(said)
        return max(1, min(room(ray, cpus_of(ray, said, threads), gpus_of(ray, said, device)), jobs))

    def submit(self, job: Job) -> None:
        if self.options.stream and job.folder is None:
            self.here.submit(job)
            return
        one = Running(job, None)
        if self.options.stream and job.folder is not None:
            try:
                hold = held(job.folder, GLANCE_S, lost=lambda: None)  # ``_look`` asks for each cell
                one.hold = one.locks.enter_context(hold)
            except CellBusyError:
                self.ended[job] = BUSY
                return
        self.running.append(one)
        self._start(one)

    def ask(self) -> dict[Job, int]:
        while self.idle:  # whoever asks has submitted all that there is room for: what waits on the cluster needs it
            self.ray.kill(self.idle.pop())
        while True:
            for one in list(self.running):
                self._look(one)
            if self.here.slots:
                self.ended |= self.here.ended()
            if self.ended:
                ended, self.ended = self.ended, {}
                return ended
            time.sleep(LOOK_S)

    def cancel(self) -> None:
        self.here.cancel()
        if self.running:
            stopping = [one.place.stop.remote() for one in self.running]
            self.ray.wait(stopping, num_returns=len(stopping), timeout=GRACE_S)
        for place in (*self.idle, *(one.place for one in self.running)):
            self.ray.kill(place)
        for one in self.running:
            one.locks.close()
        self.idle, self.running = [], []

    def _start(self, one: Running) -> None:
        job, cell = one.job, str(one.job.folder or "")
        one.place = self.idle.pop() if self.idle else self._place()
        files = None if one.hold is None else files_of(one.hold.folder)
        one.reply = one.place.start.remote(job.module, job.arguments, str(job.output), cell, files)
        one.since, one.told = time.monotonic(), False

    def _place(self) -> Any:
        package = Path(__file__).resolve().parents[2]
        carried = {key: value for key, value in os.environ.items() if key.startswith(CARRIED)}
        carried["PYTHONPATH"] = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH", "")]))
        options = {
            "num_cpus": self._cpus(), "num_gpus": self._gpus(),
            "runtime_env": {"env_vars": carried},
        }  # fmt: skip
        return self.ray.remote(Place).options(**options).remote(self.device, self.threads, os.getcwd())

    def _cpus(self) -> float:
        return cpus_of(self.ray, self.options, self.threads)

    def _gpus(self) -> float:
        return gpus_of(self.ray, self.options, self.device)

    def _look(self, one: Running) -> None:
        """Take what a place has told; put up another one where it is gone."""
        if not self.ray.wait([one.reply], timeout=0)[0]:
            if not one.told and time.monotonic() - one.since > WAIT_S:
                one.told = True
                logger.warning("%s: no answer for %g s: the cluster has no room for %g CPUs and %g GPUs yet, or a "
                               "node is lost", one.job.title, WAIT_S, self._cpus(), self._gpus())  # fmt: skip
            return
        one.since, one.told = time.monotonic(), False
        try:
            status = self._told(one)
        except (CellBusyError, self.ray.exceptions.RayTaskError) as error:
            logger.error("%s: %s", one.job.title, error)
            self.ray.kill(one.place)  # its job may run on: no other begins beside it
            self._end(one, BUSY if isinstance(error, CellBusyError) else LOST, good=False)
        except self.ray.exceptions.RayError as error:
            self._lost(one, error)
        else:
            if status is None:
                one.reply = one.place.look.remote()
            else:
                self._end(one, status)

    def _told(self, one: Running) -> int | None:
        """The exit status of a job once it has ended; what came of a streamed cell is written."""
        status, files = self.ray.get(one.reply) or (None, {})
        if one.hold is not None:
            one.hold.check()
            write_files(one.hold, files)
        return status

    def _lost(self, one: Running, error: Exception) -> None:
        one.lost += 1
        again = one.lost <= self.options.retries
        logger.warning("%s: its worker or node is lost%s: %s", one.job.title,
                       ", it goes on elsewhere" if again else "", " ".join(str(error).split())[:300])  # fmt: skip
        if again:
            self._start(one)
        else:
            self._end(one, LOST, good=False)

    def _end(self, one: Running, status: int, good: bool = True) -> None:
        self.running.remove(one)
        one.locks.close()
        self.idle += [one.place] if good else []
        self.ended[one.job] = status
