"""RMS norm, halving pyramid and attention pooling against closed forms and loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import swarmformer
from swarmformer.components.norm.rms_norm import RMSNorm
from swarmformer.components.pooling.attention import AttentionPooling
from swarmformer.components.pooling.mean import Mean
from swarmformer.components.pyramid.halving import Halving
from swarmformer.contracts import Dims
from swarmformer.cost.operations import counted_flops
from swarmformer.errors import SpecError
from tests.components.cases import prefix_mask
from tests.helpers import assert_close

D = 12
DIMS = Dims(vocab_size=40, d_model=D, num_layers=2, cluster_size=4, seq_len=40, num_classes=2)
SMALL = {"vocab_size": 40, "d_model": 16, "cluster_size": 4, "seq_len": 32}


def shaken(module: Any) -> Any:
    """Parameters moved away from tame initial values."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return module.eval()


# rms_norm


def test_rms_norm() -> None:
    module = shaken(RMSNorm(DIMS, eps=1e-3))
    x = torch.randn(2, 3, D) * 4 + 2
    numbers = x.double().numpy()
    scaled = numbers / np.sqrt((numbers**2).mean(-1, keepdims=True) + 1e-3)
    assert_close("out", torch.from_numpy(scaled).float() * module.norm.weight, module(x), atol=1e-5)


def test_rms_norm_leaves_zero_at_zero_and_ignores_scale() -> None:
    module = RMSNorm(DIMS)
    x = torch.randn(3, D)
    assert (module(torch.zeros(2, D)) == 0).all()
    assert_close("scaled", module(x), module(1000 * x), atol=1e-4)
    assert not torch.allclose(module(x + 5), module(x), atol=1e-2), "unlike layer norm it keeps the mean"


# halving


@given(N=st.integers(1, 4000), size=st.integers(1, 40), layer=st.integers(0, 6))
def test_doubling_the_size_halves_the_count_of_any_length(N: int, size: int, layer: int) -> None:
    pyramid = Halving(DIMS.model_copy(update={"cluster_size": size, "seq_len": 1_000_000}))
    count = -(-N // size)
    for _ in range(layer):
        count = -(-count // 2)
    assert -(-N // pyramid.cluster_size(layer)) == count


def test_three_layers_have_c_half_and_quarter() -> None:
    pyramid = Halving(DIMS.model_copy(update={"cluster_size": 8, "seq_len": 256}))
    assert [256 // pyramid.cluster_size(layer) for layer in range(3)] == [32, 16, 8]


def test_doubling_ends_where_one_cluster_holds_the_longest_text() -> None:
    pyramid = Halving(DIMS.model_copy(update={"cluster_size": 4, "seq_len": 24}))
    assert [pyramid.cluster_size(layer) for layer in range(6)] == [4, 8, 16, 32, 32, 32]
    assert Halving(DIMS.model_copy(update={"cluster_size": 50})).cluster_size(3) == 50


@pytest.mark.parametrize(
    ("least", "counts"), [(1, [6, 3, 2, 1, 1]), (2, [6, 3, 2, 2, 2]), (3, [6, 3, 3, 3, 3]), (9, [6, 6, 6, 6, 6])]
)
def test_doubling_ends_at_the_least_count(least: int, counts: list[int]) -> None:
    pyramid = Halving(DIMS.model_copy(update={"cluster_size": 4, "seq_len": 24}), min_clusters=least)
    assert [-(-24 // pyramid.cluster_size(layer)) for layer in range(5)] == counts


def test_a_model_with_a_pyramid_counts_its_clusters_by_layer() -> None:
    model: Any = swarmformer.build_model("base", dims=SMALL, pyramid="halving")
    assert [layer.cluster_size for layer in model.layers] == [4, 8, 16]
    for N in (1, 13, 32):
        assert model.flops(2, N) == counted_flops(model, 2, N)


# attention pooling


def pooled_by_hand(module: AttentionPooling, x_ND: Tensor) -> Tensor:
    """The real tokens of one text, one head at a time."""
    E, out = D // module.heads, torch.zeros(D)
    for head in range(module.heads):
        scores = [math.exp(float(module.query_HD[head] @ token) / math.sqrt(D)) for token in x_ND]
        for score, token in zip(scores, x_ND, strict=True):
            part = slice(head * E, (head + 1) * E)
            out[part] += score / sum(scores) * token[part]
    return out


@pytest.mark.parametrize("heads", [1, 3, D])
def test_attention_pooling(heads: int) -> None:
    module = shaken(AttentionPooling(DIMS, heads=heads))
    x, mask = torch.randn(4, 7, D), torch.tensor([[1] * 7, [1] + [0] * 6, [0, 1, 0, 1, 1, 0, 0], [0] * 7]).bool()
    with torch.no_grad():
        out = module(3 * x, mask)
        for b in range(3):
            assert_close(f"text {b}", pooled_by_hand(module, 3 * x[b][mask[b]]), out[b], atol=1e-5)
        assert_close("without mask", module(x, torch.ones(4, 7, dtype=torch.bool)), module(x), atol=1e-6)
    assert (out[3] == 0).all(), "a text without tokens"


def test_attention_pooling_starts_at_the_mean_and_can_leave_it() -> None:
    module, x, mask = AttentionPooling(DIMS, heads=2), torch.randn(3, 6, D), prefix_mask([6, 4, 0], 6)
    assert_close("at the start", Mean(DIMS)(x, mask), module(x, mask), atol=1e-6)
    module(x, mask)[:, 0].sum().backward()
    assert module.query_HD.grad is not None
    assert (module.query_HD.grad[0] != 0).all(), "the query of the head that pools column 0 learns"
    assert (module.query_HD.grad[1] == 0).all(), "the other does not"


def test_attention_pooling_with_extreme_scores() -> None:
    module, x = AttentionPooling(DIMS), torch.randn(2, 5, D)
    with torch.no_grad():
        module.query_HD.fill_(1e4)
        out = module(x, prefix_mask([5, 3], 5))
    best = [int(x[b, :n].sum(-1).argmax()) for b, n in enumerate((5, 3))]
    assert_close("the best token alone", torch.stack([x[0, best[0]], x[1, best[1]]]), out, atol=1e-5)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_pooling_flops(heads: int) -> None:
    model = swarmformer.build_model("base", dims=SMALL, pooling={"name": "attention", "heads": heads})
    for N in (1, 2, 13):
        assert model.flops(3, N) == counted_flops(model, 3, N)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"norm": {"name": "rms_norm", "eps": 0.0}}, r"model\.norm\.eps: .*greater than 0"),
        ({"norm": {"name": "rms_norm", "eps": -1e-6}}, r"model\.norm\.eps: .*greater than 0"),
        ({"pyramid": {"name": "halving", "min_clusters": 0}}, r"model\.pyramid\.min_clusters: .*equal to 1, got 0"),
        ({"pooling": {"name": "attention", "heads": 0}}, r"model\.pooling\.heads: .*heads = 0 does not divide"),
        ({"pooling": {"name": "attention", "heads": 3}}, r"model\.pooling\.heads: .*use one of 1, 2, 4, 8, 16"),
    ],
)
def test_bad_options_name_their_key(overrides: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        swarmformer.build_model("base", dims=SMALL, **overrides)
