"""Fast models against their plain twins: logits and gradients, for the base, the enhancements and the controls."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import swarmformer
from swarmformer.contracts import Model
from swarmformer.ops.switch import use_fast
from swarmformer.testing.drive import without_dropout
from tests.helpers import assert_close, prefix_mask

DIMS = {"d_model": 32, "vocab_size": 60, "seq_len": 64}
VARIANTS = [
    "original_small", "base", "base+shift_positions", "base+shuffled", "base+random_routing", "base+gated_mlp",
    "base+layer_norm", "base+coherence_signal", "base+windowed+layer_norm", "enhanced",
]  # fmt: skip


def shaken(variant: str) -> Model:
    torch.manual_seed(0)
    model = swarmformer.build_model(variant, dims=DIMS)
    without_dropout(model)
    with torch.no_grad():  # away from tame initial values
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def gradients(model: Model, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
    model.zero_grad(set_to_none=True)
    output = model.train().detailed(ids, mask)
    loss = F.cross_entropy(output.logits_BK, torch.arange(len(ids)) % 2) + sum(output.losses.values())
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("lengths", [[64, 64, 64], [64, 9, 1]])
def test_fast_equals_plain(variant: str, lengths: list[int]) -> None:
    model, mask = shaken(variant), prefix_mask(lengths, 64)
    ids = torch.randint(60, (3, 64), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        fast = model.eval()(ids, mask)
    with use_fast(False):
        with torch.inference_mode():
            assert_close("logits", model.eval()(ids, mask), fast, atol=1e-5)
        torch.manual_seed(2)
        expected = gradients(model, ids, mask)
    torch.manual_seed(2)
    found = gradients(model, ids, mask)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert_close(name, gradient, found[name], atol=1e-7 + 1e-4 * float(gradient.abs().max()), rtol=1e-4)


def test_bfloat16_stays_near_fp32() -> None:
    """Under autocast products are rounded to eight bits; the tokens' states stay in fp32."""
    model, mask = shaken("base+windowed"), prefix_mask([64, 30], 64)
    ids = torch.randint(60, (2, 64), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        exact = model.eval()(ids, mask)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(ids, mask)
    assert_close("logits", exact, rounded.float(), atol=0.1 * float((exact[0] - exact[1]).abs().max()))


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    "variant", ["base+coherence_signal", "base+coherence_signal+gated_mlp", "enhanced+coherence_signal"]
)
def test_weights_in_bf16_take_the_signal_of_the_clusters(variant: str, fast: bool) -> None:
    """The signal is fp32, as everything from a router's logits on; the stream of tokens must not become so."""
    model = shaken(variant).eval()
    ids = torch.randint(60, (2, 64))
    mask = prefix_mask([64, 37], 64)
    with torch.inference_mode(), use_fast(fast):
        exact, rounded = model(ids, mask), model.bfloat16()(ids, mask)
    assert rounded.dtype is torch.bfloat16
    assert_close("bf16 weights", exact, rounded.float(), atol=0.1)
