"""Whether the fast paths are taken: for a stretch of code, for the process, or for a tensor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from swarmformer import settings
from swarmformer.ops.stacked import in_stack

_asked: bool | None = None


@contextmanager
def use_fast(on: bool) -> Iterator[None]:
    """Take the fast paths meanwhile (True), or their plain twins (False).

    The innermost counts, and goes before ``SWARMFORMER_FAST``. It holds for all threads of the process.
    """
    global _asked
    before, _asked = _asked, on
    try:
        yield
    finally:
        _asked = before


def enabled() -> bool:
    """Whether the fast paths are switched on: yes, unless ``use_fast`` or ``SWARMFORMER_FAST=0`` says no.

    Raises:
        SpecError: the variable is neither 0 nor 1.
    """
    return settings.fast_paths() if _asked is None else _asked


def applies(x: Tensor) -> bool:
    """Whether ``x`` takes the fast path: on a CPU, eagerly, for one model. A graph that is traced is fused by its
    compiler; what is stacked is computed by plain operations."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling() and enabled() and not in_stack()
