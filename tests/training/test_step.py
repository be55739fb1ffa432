"""A step's gradient is that of PyTorch's own recipe for mixed precision."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from swarmformer.training.loop import Trainer
from tests.training.runs import CPU, DATA
from tests.training.toys import level, toy_run


@pytest.mark.parametrize("variant", ["original", "base", "transformer"])
def test_what_bf16_leaves_in_fp32_has_its_gradient_in_fp32(variant: str) -> None:
    """Autocast is around the passes and not around the backward pass, whose types are then those of the passes."""
    trainer = Trainer(toy_run(variant, precision="bf16"), level(DATA), CPU)
    batch, model = next(iter(trainer.now.augmented(0, 0))), trainer.model.train()
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16):
        logits_BK = model.detailed(batch.ids_BN, batch.mask_BN).logits_BK
    F.cross_entropy(logits_BK.float(), batch.labels_M).backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    torch.manual_seed(3)
    trainer.step.add_gradients(batch)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.equal(parameter.grad, expected[name]), name
