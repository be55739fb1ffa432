"""Processes that train one model together, each with its share of every batch: data parallel (Li et al. 2020, DDP).

``torchrun`` starts them and says who is who. Gradients are added up once a step, after all parts of a share, so that
one process may compute its share in more parts than another. The first process, of rank 0, alone writes files.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from swarmformer.errors import InterruptedRunError, SpecError
from swarmformer.training.faults import PeerFailedError, is_from_outside

logger = logging.getLogger("swarmformer.training")
CAUSE, OVER = "swarmformer/cause", "swarmformer/over"
PATIENCE = timedelta(hours=1)
"""The longest that one waits for another: the first encodes the data, for which the others wait."""
EACH_S, GRACE_S = 1.0, 2.0
"""How often it is asked whether one failed, and the time that what raises an error by itself has for it."""
LAST_WORDS = timedelta(seconds=20)
"""That a process which fails leaves the first to write down why, before torchrun ends all."""


@dataclass(frozen=True)
class Ranks:
    """``rank`` of ``size`` processes; ``local`` counts those of this machine. With one nothing is communicated."""

    rank: int = 0
    size: int = 1
    local: int = 0
    store: Any = None
    over: threading.Event = field(default_factory=threading.Event, compare=False)
    lost: threading.Event = field(default_factory=threading.Event, compare=False)

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def add(self, tensor: Tensor) -> Tensor:
        """The tensor, now the sum over all processes, the same for each."""
        if self.size > 1:
            with self._together():
                dist.all_reduce(tensor)
        return tensor

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """The same of many tensors at once."""
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors) if self.size > 1 else ():
            these = [tensor for tensor in tensors if tensor.dtype == dtype]
            sums = self.add(torch.cat([tensor.flatten() for tensor in these])).split([t.numel() for t in these])
            torch._foreach_copy_(these, [part.view_as(tensor) for part, tensor in zip(sums, these, strict=True)])

    def align(self, tensors: Iterable[Tensor]) -> None:
        """Give tensors the values that they have in the first process."""
        for tensor in tensors if self.size > 1 else ():
            with self._together():
                dist.broadcast(tensor.detach(), 0)

    def agreed(self, value: int) -> int:
        """What the first process says."""
        said = torch.tensor(value)
        self.align([said])
        return int(said)

    def alike(self, values: Sequence[int]) -> bool:
        """Whether all processes have the same values."""
        said = torch.tensor(values, dtype=torch.int64)
        sums, squares = self.add(said.clone()), self.add(said**2)
        return bool((sums**2 == self.size * squares).all())  # no spread: Cauchy–Schwarz holds with equality

    def device(self, word: str) -> str:
        """The device of this process: with several each has one of its own.

        Raises:
            SpecError: all are told to use the same one.
        """
        if self.size == 1 or word == "cpu":
            return word
        if word not in ("auto", "cuda"):
            raise SpecError(f"device {word!r}: {self.size} processes cannot share it; use auto, cuda or cpu")
        return f"cuda:{self.local}" if word == "cuda" or torch.cuda.is_available() else "cpu"

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Turns what a communication ends with into why."""
        try:
            yield
        except RuntimeError as error:
            raise self._lost(error) from None

    def _lost(self, error: RuntimeError) -> Exception:
        with suppress(RuntimeError):
            self.store.wait([CAUSE], timedelta(seconds=2))
            return PeerFailedError(**json.loads(self.store.get(CAUSE)))
        line = (str(error).splitlines() or ["no word"])[0]
        logger.error("process %d of %d: another ended or cannot be reached (%s)", self.rank, self.size, line)
        return InterruptedRunError(f"another of {self.size} processes ended or cannot be reached: {line}")

    def tell(self, error: BaseException) -> None:
        """Leave word of why this process ends, unless another did before."""
        if self.size > 1 and not isinstance(error, PeerFailedError | InterruptedRunError | KeyboardInterrupt):
            cause = f"process {self.rank} of {self.size} failed: {type(error).__name__}: {error}"
            with suppress(RuntimeError):
                self.store.compare_set(CAUSE, "", json.dumps({"cause": cause, "outside": is_from_outside(error)}))

    def check(self) -> None:
        """Asked before what came from the others is believed.

        Raises:
            PeerFailedError: one of them failed, and what a GPU waited for was given up.
        """
        if self.lost.is_set():
            raise self._lost(RuntimeError("what all were to add up was given up"))

    def watch(self) -> None:
        """Free a GPU that waits for a process which failed: it waits for ever, and no line of Python runs meanwhile,
        where gloo raises an error by itself. Runs in a thread beside the training, until it is ``over``."""
        store = self.store.clone()  # one for each thread
        with suppress(RuntimeError):  # the store ended, and with it all of this
            while not self.over.wait(EACH_S):
                if store.check([CAUSE]):
                    if not self.over.wait(GRACE_S):
                        self.lost.set()
                        _give_up_gpu()
                    return

    def leave(self, *, failed: bool) -> None:
        """End it: whoever still waits for this process is told; the others give the first time to write.

        With NCCL to destroy a group waits for all of it, and so for those that wait for a process which failed.
        """
        if self.size == 1:
            return
        self.over.set()
        if not (failed and _give_up_gpu()):
            dist.destroy_process_group()
        with suppress(RuntimeError):
            if self.first:
                self.store.set(OVER, "1")
            else:
                self.store.wait([OVER], LAST_WORDS)


ALONE = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that ``torchrun`` started, this one of them; alone without it."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    ranks = _join()
    watcher = threading.Thread(target=ranks.watch, name="peers", daemon=True)
    watcher.start()
    failed = True
    try:
        yield ranks
        failed = False
    except BaseException as error:
        ranks.tell(error)
        raise
    finally:
        ranks.leave(failed=failed)
        watcher.join(GRACE_S)


def _give_up_gpu() -> bool:
    """End what GPUs of this process wait for of others; False where these do not speak through NCCL."""
    if not (dist.is_initialized() and torch.cuda.is_available()):
        return False
    backend: Any = dist.distributed_c10d._get_default_group()._get_backend(torch.device("cuda"))
    backend.abort()
    return True


def _join() -> Ranks:
    from torch.distributed.rendezvous import rendezvous

    store, rank, size = next(iter(rendezvous("env://", timeout=PATIENCE)))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(local % torch.cuda.device_count())
    # What lies on a CPU goes through gloo: words between the processes do not wait for a device.
    backend = "cpu:gloo,cuda:nccl" if gpu else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    return Ranks(rank, size, local, store)
