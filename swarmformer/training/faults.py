"""What an error in training says of its cause: whether memory ended, and whether the run itself is at fault."""

from __future__ import annotations

import torch

from swarmformer.errors import MemoryExhaustedError, SwarmformerError

NO_MEMORY = (
    "DefaultCPUAllocator",
    "CUDA error: out of memory",  # of what is allocated beside torch's caching allocator, as a graph or a context
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "allocate memory",
    "bad_alloc",
    "MemoryError",  # torch.OutOfMemoryError ends alike
    MemoryExhaustedError.__name__,
)
"""Words of an error that memory ended for: of one that torch has no class of its own for, or of another process."""


class PeerFailedError(SwarmformerError):
    """Another process of the run failed; says why, and whether the cause lay ``outside`` of the run."""

    def __init__(self, cause: str, outside: bool) -> None:
        super().__init__(cause)
        self.outside = outside


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether memory ended, that of the machine or of a card."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and says_memory_ended(str(error))


def says_memory_ended(text: str) -> bool:
    """Of what an error says, or of the traceback that another process left."""
    return any(words in text for words in NO_MEMORY)


def is_from_outside(error: BaseException) -> bool:
    """Whether an error lay outside of the run, so that its checkpoint is good: no room on a disk or in memory."""
    if isinstance(error, PeerFailedError):
        return error.outside
    return isinstance(error, OSError) or ran_out_of_memory(error)
