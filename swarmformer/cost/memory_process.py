"""The fresh process of ``measure_memory``: reads a ``MemoryOrder`` and writes a ``MemoryRow``, both as JSON.

On Linux the high-water mark of the process's own memory (VmHWM) is set back first, so that neither what
importing took nor what a parent had (``ru_maxrss`` is handed down to a started process) counts. Elsewhere
it cannot be set back: ``ru_maxrss`` then tells at least the peak of the whole process.

A kernel may take clean pages of mapped files (torch's libraries, for one) away from a process at any time: what
it took during the calls hides as much of their growth, so it is told beside it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

import psutil
import torch

from swarmformer.assembly import assemble
from swarmformer.cost.memory import CALLS, MemoryAnswer, MemoryOrder, MemoryRow
from swarmformer.cost.passes import make_call, random_batch
from swarmformer.cost.timing import synchronize
from swarmformer.errors import SpecError
from swarmformer.ops.switch import use_fast
from swarmformer.seeding import seed_all
from swarmformer.spec import ModelSpec, TrainSpec

Method = Literal["VmHWM", "ru_maxrss"]
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_SET_BACK_PEAK = "5"  # see proc(5), clear_refs


@dataclass(frozen=True)
class Peak:
    """Resident bytes ``before`` a call and at its ``peak``, how that was read, and bytes of files lost meanwhile."""

    before: int
    peak: int
    method: Method
    reclaimed: int

    @property
    def growth(self) -> int:
        """What the call took beyond what was there: at least zero."""
        return max(0, self.peak - self.before)


def peak_of(call: Callable[[], object]) -> Peak:
    """Run ``call`` and tell how much memory the process held meanwhile, at most."""
    method: Method = "VmHWM" if _CLEAR.exists() else "ru_maxrss"
    if method == "VmHWM":
        _CLEAR.write_text(_SET_BACK_PEAK)
    before, of_files = psutil.Process().memory_info().rss, _of_files()
    call()
    peak = _kibibytes("VmHWM") if method == "VmHWM" else _highest()
    return Peak(before, peak, method, max(0, of_files - _of_files()))


def limit_growth(limit: int) -> None:
    """Let this process's data grow by so many bytes at most; allocations beyond it fail.

    On Linux alone: other systems do not tell what a process holds, and measure without a limit.
    """
    if not _STATUS.exists():
        return
    import resource  # which Windows has not, where this module is imported too

    held = _kibibytes("VmData")
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (held + limit, hard))


def _kibibytes(key: str) -> int:
    match = re.search(rf"^{key}:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    assert match is not None, f"{_STATUS} has no {key}"
    return int(match[1]) * 1024


def _of_files() -> int:
    return _kibibytes("RssFile") if _CLEAR.exists() else 0


def _highest() -> int:
    if sys.platform == "win32":
        raise SpecError("peak memory cannot be measured on Windows; use WSL2")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _measure(order: MemoryOrder) -> MemoryAnswer:
    torch.set_num_threads(order.threads)
    seed_all(0)
    device = torch.device(order.device)
    model = assemble(ModelSpec.from_dict(order.model)).to(device)
    batch = random_batch(model, order.batch, order.length, device=device, seed=0)
    call = make_call(model, batch, order.mode, order.precision, TrainSpec.from_dict(order.train))
    if order.limit_bytes is not None:
        limit_growth(order.limit_bytes)
    on_gpu = device.type == "cuda"
    held = _set_back(device) if on_gpu else 0
    times: list[float] = []

    def calls() -> None:
        for _ in range(CALLS):
            start = perf_counter()
            call()
            synchronize(device)
            times.append(perf_counter() - start)

    with use_fast(order.fast):
        peak = peak_of(calls)
    allocated = torch.cuda.max_memory_allocated(device) if on_gpu else None
    row: MemoryRow = {
        "peak_bytes": peak.peak,
        "growth_bytes": peak.growth if allocated is None else allocated - held,
        "method": peak.method if allocated is None else "allocator",
        "call_s": times[-1],
        "device_allocated_bytes": allocated,
        "device_reserved_bytes": torch.cuda.max_memory_reserved(device) if on_gpu else None,
    }
    return {"row": row, "reclaimed_bytes": peak.reclaimed}


def _set_back(device: torch.device) -> int:
    """The peak of torch's allocator on a GPU, to the bytes that it holds: the model's."""
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


if __name__ == "__main__":
    print(json.dumps(_measure(MemoryOrder.model_validate_json(sys.stdin.read()))))
