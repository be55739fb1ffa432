"""Jobs of a Ray cluster: one that is there, by address, or one that is started here for as long as the grid runs.

A place is an actor with the CPUs and the share of a GPU that a cell may have; in it our local executor runs one job
after another. A place that is lost, with its worker or with its whole node, is put up again elsewhere and the cell goes
on. Cells lie on a disk that all nodes share; or, with ``stream``, on each node's own, and their files come through the
object store to the driver, which alone writes them, holds the cell's lock meanwhile, and writes its result last.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from swarmformer.contracts import Strict
from swarmformer.errors import SpecError
from swarmformer.extras import require
from swarmformer.records import CURVE, ENVIRONMENT, FAILURE, RESULT, TRIAL, write_bytes_atomically

from ..owner import GLANCE_S, LOCK, OWNER, CellBusyError, Hold, held
from . import Executor, Job
from .failures import CHECKPOINT
from .local import Local
from .supervise import BUSY

logger = logging.getLogger("swarmformer.grid")
LOOK_S, GRACE_S, WAIT_S = 0.5, 25.0, 120.0
LOST = 1
"""Exit status of a job whose places were lost too often."""
ENDS = (TRIAL, FAILURE, RESULT)
"""What says how a cell ended: these come last, and only once its process is over."""
CARRIED = ("SWARMFORMER_", "HF_", "OMP_", "TOKENIZERS_")
Files = dict[str, bytes]


class Options(Strict):
    """Where the cluster is and what a cell gets of it."""

    address: str = Field("", description="of a cluster: auto, or HOST:PORT; one is started here unless given")
    cpus: float | None = Field(None, gt=0, description="of a cell; as many as it has threads unless given")
    gpus: float | None = Field(None, ge=0, description="of a cell, 0.25 shares one among four; 1 where there are any")
    stream: bool = Field(False, description="nodes share no disk: files come through the object store")
    retries: int = Field(5, ge=0, description="of a cell whose worker or node is lost")


class Place:
    """In a process of Ray's: a local executor for one job at a time. No method waits for a job."""

    def __init__(self, device: str, threads: int, folder: str) -> None:
        if Path(folder).is_dir():
            os.chdir(folder)
        vars(sys.modules["__main__"]).pop("__file__", None)  # else every fork would import Ray's own main module
        self.local = Local(1, device, threads)
        self.scratch: Path | None = None
        self.sent: dict[str, tuple[int, int]] = {}

    def start(self, module: str, arguments: tuple[str, ...], output: str, cell: str, files: Files | None) -> None:
        """Begin a job; with ``files``, on a copy of its cell."""
        self._clear()
        if files is not None:
            self.scratch = Path(tempfile.mkdtemp(prefix="swarmformer-")) / Path(cell).name
            for name, content in files.items():
                (self.scratch / name).parent.mkdir(parents=True, exist_ok=True)
                (self.scratch / name).write_bytes(content)
            self.sent = {name: _signature(self.scratch / name) for name in files}
            arguments = tuple(str(self.scratch) if word == cell else word for word in arguments)
            output = str(self.scratch / Path(output).name)
        self.local.submit(Job("", module, arguments, Path(output)))

    def look(self) -> tuple[int | None, Files]:
        """Exit status of the job once it has ended, and the files that it wrote since the last look."""
        status = next(iter(self.local.ended().values()), None)
        files = {} if self.scratch is None else self._written(self.scratch, status is not None)
        if status is not None:
            self._clear()
        return status, files

    def stop(self) -> None:
        """End the job; it keeps its checkpoint, a copy of a cell what has been sent of it."""
        self.local.cancel()
        self._clear()

    def _clear(self) -> None:
        """Leave nothing of a copy on the node."""
        if self.scratch is not None:
            shutil.rmtree(self.scratch.parent, ignore_errors=True)
        self.scratch, self.sent = None, {}

    def _written(self, scratch: Path, over: bool) -> Files:
        # The checkpoint first: a curve that is longer than it is cut, one that is shorter has a hole.
        names = [CHECKPOINT, *(path.relative_to(scratch).as_posix() for path in scratch.rglob("*") if path.is_file())]
        found = Files()
        for name in dict.fromkeys(names):
            path = scratch / name
            if path.name.startswith(".") or name in (LOCK, OWNER) or (name in ENDS and not over):
                continue
            with suppress(FileNotFoundError):  # a cell that ends removes its checkpoint
                if (now := _signature(path)) != self.sent.get(name):
                    found[name], self.sent[name] = path.read_bytes(), now
        return found


def _signature(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


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
        self.ray = _connected(self.options)
        self.idle: list[Any] = []
        self.running: list[Running] = []
        self.ended: dict[Job, int] = {}
        self.here = Local(1, device, threads)  # of a grid that streams: what is not a cell
        cpus, gpus = self._cpus(), self._gpus()
        if device == "cuda" and not self.ray.cluster_resources().get("GPU"):
            raise SpecError("executor 'ray': no node has a GPU, which --device cuda asks for. Use --device cpu or auto")
        if not _room(self.ray, cpus, gpus):
            raise SpecError(f"executor 'ray': no node has {cpus:g} CPUs and {gpus:g} GPUs, which a cell is to have; "
                            "see --threads, --device cpu, --option cpus= and gpus=")  # fmt: skip

    @classmethod
    def default_workers(cls, jobs: int, device: str, threads: int = 1, options: Any = None) -> int:
        """As many as the cluster has room for."""
        said: Options = options or Options.model_validate({})
        ray = _connected(said)
        return max(1, min(_room(ray, _cpus(ray, said, threads), _gpus(ray, said, device)), jobs))

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
        files = None if one.hold is None else _files(one.hold.folder)
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
        return _cpus(self.ray, self.options, self.threads)

    def _gpus(self) -> float:
        return _gpus(self.ray, self.options, self.device)

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
            status, files = self.ray.get(one.reply) or (None, {})
            if one.hold is not None:
                one.hold.check()
                _write(one.hold, files)
        except (CellBusyError, self.ray.exceptions.RayTaskError) as error:
            logger.error("%s: %s", one.job.title, error)
            self.ray.kill(one.place)  # its job may run on: no other begins beside it
            self._end(one, BUSY if isinstance(error, CellBusyError) else LOST, good=False)
            return
        except self.ray.exceptions.RayError as error:
            one.lost += 1
            again = one.lost <= self.options.retries
            logger.warning("%s: its worker or node is lost%s: %s", one.job.title,
                           ", it goes on elsewhere" if again else "", " ".join(str(error).split())[:300])  # fmt: skip
            if again:
                self._start(one)
                return
            self._end(one, LOST, good=False)
            return
        if status is None:
            one.reply = one.place.look.remote()
        else:
            self._end(one, status)

    def _end(self, one: Running, status: int, good: bool = True) -> None:
        self.running.remove(one)
        one.locks.close()
        self.idle += [one.place] if good else []
        self.ended[one.job] = status


def _connected(said: Options) -> Any:
    """Ray, connected to the cluster; one is started here where no address is given."""
    require("ray", "ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if not ray.is_initialized():
        here: dict[str, Any] = {} if said.address else {"include_dashboard": False}
        ours = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(address=said.address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise SpecError(f"executor 'ray': no cluster at {said.address!r}: {error}") from None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ours)  # Ray's own ends the program before the grid has stopped its cells
    return ray


def _cpus(ray: Any, said: Options, threads: int) -> float:
    """Of a cell; a measurement by all threads that there are has the largest node for itself."""
    if not threads:
        return max(node.get("CPU", 0.0) for node in _nodes(ray))
    return said.cpus or threads


def _nodes(ray: Any) -> list[dict[str, float]]:
    """What each has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _gpus(ray: Any, said: Options, device: str) -> float:
    if said.gpus is not None or device == "cpu":
        return said.gpus or 0.0
    return 1.0 if ray.cluster_resources().get("GPU") else 0.0


def _room(ray: Any, cpus: float, gpus: float) -> int:
    """Places that all nodes have room for; a share of a GPU is of one GPU."""
    found = 0
    for node in _nodes(ray):
        room = int(node.get("CPU", 0) / cpus)
        if gpus:
            room = min(room, int(node.get("GPU", 0)) * int(1 / gpus) if gpus < 1 else int(node.get("GPU", 0) / gpus))
        found += room
    return found


def _files(folder: Path) -> Files:
    """What a cell goes on from; of sacred's records of former starts what makes it number the next one."""
    wanted = ["config.json", ENVIRONMENT, CHECKPOINT, CURVE, "log.txt", "output.txt"]
    wanted += [path.relative_to(folder).as_posix() for path in folder.glob("sacred/*/run.json")]
    return {name: (folder / name).read_bytes() for name in wanted if (folder / name).exists()}


def _write(hold: Hold, files: Files) -> None:
    """Of a streamed cell, what has come: the checkpoint behind its curve, how it ended last."""
    for name in sorted(files, key=lambda name: (name in ENDS, name == CHECKPOINT)):
        (hold.folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name in ENDS:
            hold.check()
        write_bytes_atomically(hold.folder / name, files[name], flush=name in (*ENDS, CHECKPOINT))
    if any(name in files for name in (RESULT, TRIAL)):
        for name in (CHECKPOINT, "progress.json"):
            (hold.folder / name).unlink(missing_ok=True)
