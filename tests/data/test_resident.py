"""Batches made on the device are those made on the CPU, value by value."""

from __future__ import annotations

import pytest
import torch

from swarmformer.data.batching import Batch, Batches
from swarmformer.data.encoded import Split
from swarmformer.data.resident import ResidentBatches
from tests.training.toys import split, token_data

DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device")])]  # fmt: skip


def pairs(part: Split, device: str, seed: int | None, lengths: tuple[int, ...]) -> list[tuple[Batch, Batch]]:
    options = {"batch_size": 7, "lengths": lengths, "pad_id": 5, "seed": seed}
    resident = ResidentBatches(part, device=torch.device(device), **options)
    return list(zip(Batches(part, **options)(1), resident(1), strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("lengths", [(16,), (4, 8, 12)])
def test_equal_to_those_of_the_cpu(device: str, seed: int | None, lengths: tuple[int, ...]) -> None:
    batches = pairs(split("train", 40, 1), device, seed, lengths)
    assert len(batches) == 6
    for plain, made in batches:
        assert made.ids_BN.device.type == device and made.index_M.device.type == "cpu"
        for name in ("ids_BN", "mask_BN", "labels_M", "index_M"):
            expected, found = getattr(plain, name), getattr(made, name).cpu()
            assert expected.dtype == found.dtype and torch.equal(expected, found), name
        assert made.at_M is None


@pytest.mark.parametrize("device", DEVICES)
def test_questions_at_tokens_come_along(device: str) -> None:
    batches = pairs(token_data().splits["train"], device, 3, (16,))
    assert batches
    for plain, made in batches:
        assert plain.at_M is not None and made.at_M is not None
        assert torch.equal(plain.at_M, made.at_M.cpu()) and torch.equal(plain.labels_M, made.labels_M.cpu())
