"""Peak memory of this process while something runs.

On Linux the high-water mark of the process's own memory (VmHWM) is set back first, so that neither what
importing took nor what a parent had (``ru_maxrss`` is handed down to a started process) counts. Elsewhere
it cannot be set back: ``ru_maxrss`` then tells at least the peak of the whole process.
"""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

Method = Literal["VmHWM", "ru_maxrss"]
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_SET_BACK_PEAK = "5"  # see proc(5), clear_refs


@dataclass(frozen=True)
class Peak:
    """Resident bytes ``before`` a call and at its ``peak``, and how the peak was read."""

    before: int
    peak: int
    method: Method

    @property
    def growth(self) -> int:
        """What the call took beyond what was there: at least zero."""
        return max(0, self.peak - self.before)


def peak_of(call: Callable[[], object]) -> Peak:
    """Run ``call`` and tell how much memory the process held meanwhile, at most."""
    method: Method = "VmHWM" if _CLEAR.exists() else "ru_maxrss"
    if method == "VmHWM":
        _CLEAR.write_text(_SET_BACK_PEAK)
    before = psutil.Process().memory_info().rss
    call()
    return Peak(before, _kibibytes("VmHWM") if method == "VmHWM" else _highest(), method)


def limit_growth(limit: int) -> None:
    """Let this process's data grow by so many bytes at most; allocations beyond it fail. Linux only."""
    held = _kibibytes("VmData")
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (held + limit, hard))


def _kibibytes(key: str) -> int:
    match = re.search(rf"^{key}:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    assert match is not None, f"{_STATUS} has no {key}"
    return int(match[1]) * 1024


def _highest() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
