"""What an error says of its cause."""

from __future__ import annotations

import pytest
import torch

from swarmformer.errors import CaptureError, MemoryExhaustedError
from swarmformer.training.faults import PeerFailedError, is_from_outside, ran_out_of_memory

FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be reported at some other call"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:128] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:81] data. DefaultCPUAllocator: not enough memory: you tried"),
    RuntimeError("unable to mmap 4096 bytes from file </weights>: Cannot allocate memory (12)"),
    RuntimeError("Caught MemoryError in a worker"),
    MemoryError(),
    MemoryExhaustedError("out of memory with 1 texts of 9 tokens at once"),
]
OTHERS = [
    RuntimeError("CUDA error: device-side assert triggered"), RuntimeError("shapes cannot be multiplied"),
    CaptureError("a replay differs"), ValueError("not enough memory, says a component"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "full"), [*((e, True) for e in FULL), *((e, False) for e in OTHERS)], ids=repr)
def test_memory_that_ends_is_known_and_no_fault_of_the_run(error: Exception, full: bool) -> None:
    assert ran_out_of_memory(error) is is_from_outside(error) is full


def test_what_is_no_fault_of_the_run_though_memory_did_not_end() -> None:
    assert is_from_outside(OSError(28, "No space left on device")) and is_from_outside(PeerFailedError("full", True))
    assert not is_from_outside(PeerFailedError("a fault", False))
