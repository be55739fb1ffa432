"""A batch that is trained in pieces gives the gradients of the whole batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from swarmformer.data.batching import Batch
from swarmformer.ops.pieces import pieces
from swarmformer.ops.switch import use_fast
from swarmformer.testing.drive import without_dropout
from swarmformer.training.loop import Trainer
from tests.helpers import assert_close
from tests.training.toys import token_data, toy_data, toy_run

CPU = torch.device("cpu")


def trained_on(trainer: Trainer, batch: Batch) -> tuple[float, dict[str, Tensor]]:
    trainer.step.optimiser.zero_grad(set_to_none=True)
    trainer.model.train()
    record = trainer.step.add_gradients(batch)
    return float(record["loss"]), {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("variant", ["base", "original_small", "base+windowed+layer_norm"])
def test_gradients_and_loss_are_those_of_the_batch(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(toy_run(variant, label_smoothing=0.1), toy_data(), CPU)
    without_dropout(trainer.model)
    monkeypatch.setattr("swarmformer.ops.pieces.TRAINING_TOKENS", 24)
    batch = next(iter(trainer.batches["train"](0)))
    assert len(trainer.step.parts_of(batch)) > 2
    loss, found = trained_on(trainer, batch)
    with use_fast(False):
        assert len(trainer.step.parts_of(batch)) == 1
        whole, expected = trained_on(trainer, batch)
    assert loss == pytest.approx(whole, rel=1e-5)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert_close(name, gradient, found[name], atol=1e-7 + 1e-4 * float(gradient.abs().max()), rtol=1e-4)


def test_no_text_is_lost_and_pads_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmformer.ops.pieces.TRAINING_TOKENS", 24)
    trainer = Trainer(toy_run("base"), toy_data(), CPU)
    batch = next(iter(trainer.batches["train"](0)))
    parts = trainer.step.parts_of(batch)
    assert sorted(int(i) for part in parts for i in part.index_M) == sorted(batch.index_M.tolist())
    assert sum(part.ids_BN.numel() for part in parts) < batch.ids_BN.numel()
    for part in parts:
        assert part.mask_BN[:, -1].any() and part.at_M is None
        for row, index in enumerate(part.index_M):
            at = int((batch.index_M == index).nonzero())
            real = batch.mask_BN[at]
            assert torch.equal(part.ids_BN[row][part.mask_BN[row]], batch.ids_BN[at][real])
            assert part.labels_M[row] == batch.labels_M[at]


@pytest.mark.parametrize(
    ("variant", "data", "options"),
    [
        ("base+routing", toy_data(), {}),  # telemetry and losses are means over a batch
        ("base", token_data(), {"model": {"pooling": "tokens"}}),
    ],
)
def test_what_needs_the_whole_batch_gets_it(
    variant: str, data: Any, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmformer.ops.pieces.TRAINING_TOKENS", 24)
    trainer = Trainer(toy_run(variant, **options), data, CPU)
    batch = next(iter(trainer.batches["train"](0)))
    assert trainer.step.parts_of(batch) == [batch]


def test_a_batch_that_asks_at_tokens_refuses_to_be_cut() -> None:
    trainer = Trainer(toy_run("base", model={"pooling": "tokens"}), token_data(), CPU)
    batch = next(iter(trainer.batches["train"](0)))
    with pytest.raises(ValueError, match="asks at tokens"):
        batch.piece(next(iter(pieces(batch.ids_BN, batch.mask_BN, True, 24))))
