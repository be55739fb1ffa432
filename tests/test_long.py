"""Texts in pieces: the logits of the forward pass, whatever the pieces, pads and parts; what cannot be cut is named."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import swarmformer
from swarmformer import long
from swarmformer.contracts import Model
from swarmformer.errors import SpecError
from swarmformer.ops.running import RunningMean
from tests.helpers import assert_close, prefix_mask

SMALL = {"d_model": 16, "vocab_size": 40, "seq_len": 64, "cluster_size": 4}
LOCALS = {
    "rolling": {"name": "rolling_shift"},
    "windowed": {"name": "windowed_attention", "window": 5},
    "conv": {"name": "depthwise_conv"},
}
N = 203
"""Not whole clusters, and a last piece that is shorter than a halo."""


def built(variant: str = "base", **parts: Any) -> Model:
    torch.manual_seed(0)
    model = swarmformer.build_model(variant, dims=SMALL, **parts).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def masks() -> dict[str, Tensor | None]:
    generator = torch.Generator().manual_seed(1)
    return {
        "none": None,
        "padded": prefix_mask([N, 57, 0], N),
        "holes": torch.rand(3, N, generator=generator) < 0.6,
    }


def ids() -> Tensor:
    return torch.randint(SMALL["vocab_size"], (3, N), generator=torch.Generator().manual_seed(2))


CASES = (
    ("rolling", "base", {"cluster": "hierarchical", "pyramid": "halving"}),
    ("windowed", "base+layer_norm+gated_mlp", {"cluster": "latent", "pooling": {"name": "attention", "heads": 2}}),
    ("conv", "base+layer_norm", {"cluster": "hierarchical", "pooling": "tokens"}),
    ("rolling", "base", {"pooling": "mean_all", "added_mlp": 0.5}),
)


def agrees(model: Model, *sizes: int) -> None:
    for words, mask in masks().items():
        with torch.no_grad():
            whole = model(ids(), mask)
        for tokens in sizes:
            value = long.logits(model, ids(), mask, tokens=tokens)
            assert_close(f"{words}, pieces of {tokens}", whole, value, atol=1e-5)


@pytest.mark.parametrize(("local", "variant", "parts"), CASES)
def test_pieces_give_what_the_whole_gives(local: str, variant: str, parts: dict[str, Any]) -> None:
    agrees(built(variant, **{"local": LOCALS[local], **parts}), 24, N + 1)


@pytest.mark.slow
@pytest.mark.parametrize("local", LOCALS)
@pytest.mark.parametrize(("variant", "parts"), [case[1:] for case in CASES])
def test_the_smallest_pieces_with_every_local_mixer(local: str, variant: str, parts: dict[str, Any]) -> None:
    agrees(built(variant, **{"local": LOCALS[local], **parts}), 1, 40)


def test_a_token_is_heard_at_the_other_end() -> None:
    """Pieces are no texts of their own: what stands in the first changes the last."""
    model, other = built(local=LOCALS["windowed"], cluster="hierarchical", pooling="tokens"), ids()
    other[:, 0] = (other[:, 0] + 1) % SMALL["vocab_size"]
    far = long.logits(model, ids(), tokens=16)[:, -1] - long.logits(model, other, tokens=16)[:, -1]
    assert float(far.abs().max()) > 1e-6


def test_ids_of_a_file_and_of_any_integer_type() -> None:
    model = built()
    assert_close("int16", long.logits(model, ids()), long.logits(model, ids().to(torch.int16)), atol=0)


@pytest.mark.parametrize(
    ("variant", "parts", "named"),
    [
        ("original_small", {}, "local.rolling_shift needs the whole text"),
        ("base", {"embedding": "token_position"}, "embedding.token_position needs the whole text"),
        ("base+routing+neighbours", {}, "router.learned needs the whole text"),
        ("transformer", {}, "Transformer is no SwarmFormer"),
    ],
)
def test_what_needs_the_whole_text_is_refused_by_name(variant: str, parts: dict[str, Any], named: str) -> None:
    with pytest.raises(SpecError, match=named):
        long.logits(built(variant, **parts), ids())


def test_training_is_refused() -> None:
    with pytest.raises(SpecError, match=r"call model\.eval"):
        long.logits(built().train(), ids())


def test_running_mean_is_the_mean_of_all() -> None:
    """Weighed parts against one sum in float64; nothing weighs nothing; many parts lose no digits."""
    generator = torch.Generator().manual_seed(0)
    rows, weights = torch.randn(4000, 3, generator=generator), torch.rand(4000, generator=generator)
    weights[:7] = 0
    running = RunningMean()
    for row, weight in zip(rows, weights, strict=True):
        running.add(row, weight.log())
    expected = (rows.double() * weights.double()[:, None]).sum(0) / weights.double().sum()
    assert_close("mean", expected, running.mean(torch.float64), atol=1e-7)
    empty = RunningMean()
    for _ in range(2):
        empty.add(torch.zeros(3), torch.tensor(float("-inf")))
    assert empty.mean(torch.float32).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="no parts"):
        RunningMean().mean(torch.float32)


@pytest.mark.slow
def test_two_hundred_thousand_tokens_agree_with_the_whole() -> None:
    """Where rounding could add up: 50 pieces of the usual size, sixteen levels of the tree."""
    model = built(local=LOCALS["windowed"], cluster="hierarchical", pyramid="halving")
    many = torch.randint(SMALL["vocab_size"], (1, 200_001))
    with torch.no_grad():
        assert_close("logits", model(many), long.logits(model, many), atol=1e-5)
