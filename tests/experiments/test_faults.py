"""Which failures leave a run's checkpoint good: those whose cause lies outside of the run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from experiments.faults import failure_recorded, leaves_checkpoint_good
from swarmformer.records import FAILURE, Failure, load
from swarmformer.training.faults import PeerFailedError, ran_out_of_memory
from swarmformer.variants import resolve_run

SPEC = resolve_run("base", [({"data": {"task": "listops"}}, "test")])
CARD = [
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later"),
    torch.AcceleratorError("CUDA error: the launch timed out and was terminated"),
    torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered"),
    torch.AcceleratorError("CUDA error: CUDA-capable device(s) is/are busy or unavailable"),
]


@pytest.mark.parametrize("error", CARD, ids=repr)
def test_what_a_card_ends_with_is_no_fault_of_the_run(error: RuntimeError) -> None:
    """Nor is it an end of memory, after which a step would be repeated in parts."""
    assert leaves_checkpoint_good(error) and not ran_out_of_memory(error)
    assert leaves_checkpoint_good(PeerFailedError(f"process 1 of 2 failed: AcceleratorError: {error}", False))


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        ValueError("uncorrectable ECC error, says a component"),
        PeerFailedError("a fault", False),
    ],
    ids=repr,
)
def test_what_a_run_does_itself_is_its_fault(error: Exception) -> None:
    assert not leaves_checkpoint_good(error)


@pytest.mark.parametrize(("error", "resumable"), [(CARD[0], True), (OSError(28, "full"), True), (KeyError(), False)])
def test_a_failure_says_whether_its_checkpoint_is_good(tmp_path: Path, error: Exception, resumable: bool) -> None:
    with pytest.raises(type(error)), failure_recorded(tmp_path, "base", SPEC):
        raise error
    assert load(tmp_path / FAILURE, Failure).resumable is resumable
