"""Each component against a plain reference: loops over tokens, matrices written out, closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from swarmformer.components.cluster.attention import ClusterAttention
from swarmformer.components.embedding.token import TokenEmbedding
from swarmformer.components.embedding.token_position import TokenPositionEmbedding, sinusoids
from swarmformer.components.feedback.gated_linear import GatedLinear
from swarmformer.components.local.rolling_shift import RollingShift, circular_mean, masked_mean
from swarmformer.components.local.windowed_attention import WindowedAttention
from swarmformer.components.norm.layer_norm import LayerNorm
from swarmformer.components.pooling.mean import Mean
from swarmformer.components.pooling.mean_all import MeanAll
from swarmformer.components.router.fixed_chunk import FixedChunk
from swarmformer.components.shared import Gate
from swarmformer.contracts import Dims
from tests.components.cases import prefix_mask
from tests.helpers import assert_close

D = 12
DIMS = Dims(vocab_size=40, d_model=D, num_layers=2, cluster_size=4, seq_len=40, num_classes=2)


def shaken(module: Any) -> Any:
    """Parameters moved away from tame initial values."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return module.eval()


def linear(layer: Any, x: Tensor) -> Tensor:
    return torch.einsum("...i,oi->...o", x, layer.weight) + layer.bias


def windowed_by_hand(module: WindowedAttention, x_BND: Tensor, mask_BN: Tensor) -> Tensor:
    """One token at a time: softmax over the real tokens at most ``window`` away."""
    q, k, v = linear(module.qkv, x_BND).split(D, dim=-1)
    E = D // module.heads
    out = torch.zeros_like(x_BND)
    for b, i in mask_BN.nonzero().tolist():
        near = [j for j in range(x_BND.shape[1]) if abs(i - j) <= module.window and mask_BN[b, j]]
        for h in range(module.heads):
            part = slice(h * E, (h + 1) * E)
            scores = torch.stack([q[b, i, part] @ k[b, j, part] / math.sqrt(E) for j in near])
            if module.bias_HR is not None:
                scores = scores + module.bias_HR[h, [j - i + module.window for j in near]]
            weights = scores.exp() / scores.exp().sum()
            out[b, i, part] = sum(w * v[b, j, part] for w, j in zip(weights, near, strict=True))
    return x_BND + linear(module.out, out)


@pytest.mark.parametrize("relative_bias", [True, False])
@pytest.mark.parametrize(("window", "heads"), [(1, 1), (4, 3), (7, 2), (30, 1)])
@pytest.mark.parametrize("N", [1, 4, 11, 16])
def test_windowed_attention(N: int, window: int, heads: int, relative_bias: bool) -> None:
    torch.manual_seed(N)
    module = WindowedAttention(DIMS, window=window, heads=heads, relative_bias=relative_bias)
    shaken(module)
    x, mask = torch.randn(4, N, D), prefix_mask([N, N // 2, 1, 0], N)
    with torch.no_grad():
        expected, out = windowed_by_hand(module, x, mask), module(x, mask)
        assert_close("with mask", expected[mask], out[mask], atol=1e-5)
        everything = torch.ones(4, N, dtype=torch.bool)
        assert_close("without mask", windowed_by_hand(module, x, everything), module(x), atol=1e-5)
    assert torch.isfinite(out).all()


def test_windowed_attention_with_pads_amid_the_text() -> None:
    module = WindowedAttention(DIMS, window=3, heads=2)
    shaken(module)
    x, mask = torch.randn(3, 10, D), torch.rand(3, 10) > 0.4
    with torch.no_grad():
        assert_close("out", windowed_by_hand(module, x, mask)[mask], module(x, mask)[mask], atol=1e-5)


def test_neighbour_means() -> None:
    x, mask = torch.randn(3, 7, D), torch.tensor([[1, 1, 1, 0, 0, 0, 0], [1, 0, 1, 1, 0, 1, 1], [0] * 7]).bool()
    masked, circular = masked_mean(x, mask), circular_mean(x)
    for b in range(3):
        for i in range(7):
            assert_close("circular", (x[b, i - 1] + x[b, i] + x[b, (i + 1) % 7]) / 3, circular[b, i], atol=1e-6)
            near = [x[b, j] for j in (i - 1, i, i + 1) if 0 <= j < 7 and mask[b, j]]
            if mask[b, i]:
                assert_close("masked", torch.stack(near).mean(0), masked[b, i], atol=1e-6)
    assert torch.isfinite(masked).all()


def gate_by_hand(gate: Gate, x: Tensor, u: Tensor) -> Tensor:
    inner = linear(gate.net[0], torch.cat([x, u], dim=-1))
    inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
    return 1 / (1 + torch.exp(-linear(gate.net[2], inner)))


def test_rolling_shift_is_so_many_gated_steps() -> None:
    module = RollingShift(DIMS, T_local=2)
    shaken(module)
    x, mask = torch.randn(2, 6, D), prefix_mask([6, 4], 6)
    expected = x
    for _ in range(2):
        inner = linear(module.mlp[0], masked_mean(expected, mask))
        u = linear(module.mlp[3], inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2))))
        gate = gate_by_hand(module.gate, expected, u)
        expected = (1 - gate) * expected + gate * u
    assert_close("out", expected, module(x, mask), atol=1e-5)


def test_chunk_pooling_and_broadcast() -> None:
    x, size, mask = torch.randn(4, 10, D), 4, prefix_mask([10, 6, 4, 0], 10)
    assignment = FixedChunk(DIMS)(x, mask, size)
    pooled = assignment.pool(x)
    back = assignment.broadcast(pooled)
    assert assignment.cluster_mask_BC is not None
    for b in range(4):
        for c in range(3):
            members = [x[b, i] for i in range(c * size, min(10, (c + 1) * size)) if mask[b, i]]
            expected = torch.stack(members).mean(0) if members else torch.zeros(D)
            assert_close("pooled", expected, pooled[b, c], atol=1e-6)
            assert assignment.cluster_mask_BC[b, c] == bool(members)
        for i in range(10):
            assert torch.equal(back[b, i], pooled[b, i // size])


def test_published_chunks_average_pads_in_and_refuse_other_lengths() -> None:
    router, x = FixedChunk(DIMS, masked=False), torch.randn(1, 8, D)
    assignment = router(x, prefix_mask([3], 8), 4)
    assert_close("pooled", x.reshape(1, 2, 4, D).mean(dim=2), assignment.pool(x), atol=1e-6)
    with pytest.raises(ValueError, match=r"10 tokens.*clusters of 4.*pad_to_max"):
        router(torch.randn(1, 10, D), None, 4)


def qkv_by_hand(module: ClusterAttention, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value as the tie mode defines them, with matrices written out."""
    p: Any = module.projections
    if module.tie == "none":
        return linear(p.query, c), linear(p.key, c), linear(p.value, c)
    if module.tie == "kv":
        return linear(p.query, c), linear(p.key_value, c), linear(p.key_value, c)
    if module.tie == "qkv_pure":
        return (linear(p.shared, c),) * 3
    rotation = torch.eye(D)
    for pair, angle in enumerate(p.angle.tolist()):
        i = 2 * pair
        rotation[i : i + 2, i : i + 2] = torch.tensor(
            [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        )
    shared = c @ p.shared.weight.T
    return shared + p.query_bias, shared @ rotation.T, shared * p.value_scale + p.value_bias


@pytest.mark.parametrize("tie", ["none", "kv", "qkv", "qkv_pure"])
@pytest.mark.parametrize(("heads", "out_proj"), [(1, False), (3, True)])
def test_cluster_attention(tie: str, heads: int, out_proj: bool) -> None:
    module = ClusterAttention(DIMS, tie=tie, heads=heads, out_proj=out_proj)  # type: ignore[arg-type]
    shaken(module)
    c, mask, E = torch.randn(3, 5, D), prefix_mask([5, 2, 0], 5), D // heads
    q, k, v = qkv_by_hand(module, c)
    expected = torch.zeros(3, 5, D)
    for b in range(2):
        for h in range(heads):
            part, real = slice(h * E, (h + 1) * E), mask[b]
            scores = torch.exp(q[b][:, part] @ k[b][real][:, part].T / math.sqrt(E))
            expected[b][:, part] = scores / scores.sum(dim=1, keepdim=True) @ v[b][real][:, part]
    if module.out is not None:
        expected = linear(module.out, expected)
    out = module(c, mask)
    assert_close("out", expected * mask.unsqueeze(-1), out, atol=1e-5)
    assert (out[2] == 0).all(), "a text without tokens has clusters of zero"


def self_weight_and_asymmetry(tie: str) -> tuple[float, float]:
    """Mean attention of a cluster to itself, and ‖S − Sᵀ‖ / ‖S − mean‖ of its scores, at the start."""
    torch.manual_seed(0)
    width = 192
    module = ClusterAttention(DIMS.model_copy(update={"d_model": width}), tie=tie)  # type: ignore[arg-type]
    with torch.no_grad():
        q, k, _ = module.projections(torch.randn(64, 64, width))
        scores = q @ k.transpose(1, 2) / math.sqrt(width)
        own = scores.softmax(dim=-1).diagonal(dim1=1, dim2=2).mean()
    gap = (scores - scores.transpose(1, 2)).norm() / (scores - scores.mean()).norm()
    return float(own), float(gap)


def test_tied_by_role_starts_near_uniform_and_asymmetric_and_pure_does_not() -> None:
    """Uniform attention over 64 clusters gives each 1/64 = 0.016."""
    role_own, role_gap = self_weight_and_asymmetry("qkv")
    pure_own, pure_gap = self_weight_and_asymmetry("qkv_pure")
    untied_own, untied_gap = self_weight_and_asymmetry("none")
    assert role_own == pytest.approx(1 / 64, abs=0.008) and untied_own == pytest.approx(1 / 64, abs=0.008)
    assert pure_own == pytest.approx(0.58, abs=0.05), "the figure of the analysis, of 64 clusters"
    assert pure_gap < 1e-5 and role_gap > 0.5 and untied_gap > 0.5


def test_tied_by_role_costs_three_and_a_half_vectors_beside_its_matrix() -> None:
    counts = {tie: count(ClusterAttention(DIMS, tie=tie)) for tie in ("none", "kv", "qkv", "qkv_pure")}  # type: ignore[arg-type]
    matrix = D * D
    expected = {"none": 3 * (matrix + D), "kv": 2 * (matrix + D), "qkv": matrix + 7 * D // 2, "qkv_pure": matrix + D}
    assert counts == expected


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_gated_linear() -> None:
    module = GatedLinear(DIMS)
    shaken(module)
    x, c = torch.randn(2, 6, D), torch.randn(2, 2, D)
    own = torch.stack([c[:, i // 4] for i in range(6)], dim=1)
    g = linear(module.linear, own)
    assignment = FixedChunk(DIMS)(x, None, 4)
    assert_close("out", x + gate_by_hand(module.gate, x, g) * g, module(x, c, assignment), atol=1e-5)


def test_layer_norm() -> None:
    module = LayerNorm(DIMS, eps=1e-3)
    shaken(module)
    x = torch.randn(2, 3, D) * 4 + 2
    numbers = x.double().numpy()
    scaled = (numbers - numbers.mean(-1, keepdims=True)) / np.sqrt(numbers.var(-1, keepdims=True) + 1e-3)
    expected = torch.from_numpy(scaled).float() * module.norm.weight + module.norm.bias
    assert_close("out", expected, module(x), atol=1e-5)


@pytest.mark.parametrize("width", [2, 6, 7])
def test_sinusoids(width: int) -> None:
    table, half = sinusoids(9, width), (width + 1) // 2
    for position in range(9):
        for column in range(width):
            function = math.sin if column < half else math.cos
            angle = position / 10_000 ** (column % half / half)
            assert table[position, column].item() == pytest.approx(function(angle), abs=1e-5)


@pytest.mark.parametrize("position", ["learned", "sinusoidal"])
def test_positions_are_added_to_the_table(position: str) -> None:
    module = TokenPositionEmbedding(DIMS, position=position, scale=0.5).eval()  # type: ignore[arg-type]
    ids = torch.randint(40, (3, 9))
    expected = torch.stack([module.embed.weight[row] for row in ids]) + module.position_ND[:9]
    assert_close("out", expected, module(ids), atol=1e-6)
    if position == "sinusoidal":
        assert_close("positions", 0.5 * sinusoids(40, D), module.position_ND, atol=1e-6)
        assert "position_ND" not in module.state_dict()
    with pytest.raises(ValueError, match=r"41 tokens.*seq_len = 40"):
        module(torch.zeros(1, 41, dtype=torch.long))


def test_learned_positions_start_small_beside_the_tokens() -> None:
    dims = DIMS.model_copy(update={"d_model": 64, "seq_len": 256})
    assert TokenPositionEmbedding(dims, scale=0.1).position_ND.std().item() == pytest.approx(0.1, rel=0.05)


def test_token_embedding_is_the_table() -> None:
    module = TokenEmbedding(DIMS).eval()
    ids = torch.randint(40, (3, 9))
    assert torch.equal(module(ids), torch.stack([module.embed.weight[row] for row in ids]))


@pytest.mark.parametrize("build", [TokenEmbedding, TokenPositionEmbedding])
def test_init_std_scales_the_start_as_a_whole(build: type) -> None:
    """The same draws, positions in the same proportion; torch's own normal draws at one, as published."""
    states = []
    for options in ({}, {"init_std": 0.02}):
        torch.manual_seed(3)
        states.append(build(DIMS, **options).state_dict())
    torch.manual_seed(3)
    assert torch.equal(states[0]["embed.weight"], torch.nn.Embedding(40, D).weight)
    for name, start in states[0].items():
        assert_close(name, 0.02 * start, states[1][name], atol=1e-9)
    assert states[1]["embed.weight"].std().item() == pytest.approx(0.02, rel=0.1)
    sines = [TokenPositionEmbedding(DIMS, position="sinusoidal", init_std=std).position_ND for std in (1.0, 0.02)]
    assert_close("sinusoids", 0.02 * sines[0], sines[1], atol=1e-9)


def test_poolings() -> None:
    x, mask = torch.randn(3, 5, D), prefix_mask([5, 2, 0], 5)
    expected = torch.stack([x[0].sum(0) / 5, (x[1, 0] + x[1, 1]) / 2, torch.zeros(D)])
    assert_close("mean", expected, Mean(DIMS)(x, mask), atol=1e-6)
    assert_close("mean_all", x.sum(1) / 5, MeanAll(DIMS)(x, mask), atol=1e-6)


@pytest.mark.parametrize("build", [ClusterAttention, WindowedAttention])
@pytest.mark.parametrize("heads", [0, 5, -1])
def test_heads_must_divide_the_width(build: type, heads: int) -> None:
    with pytest.raises(ValueError, match=rf"heads = {heads} does not divide d_model = 12; use one of 1, 2, 3, 4"):
        build(DIMS, heads=heads)


@pytest.mark.parametrize("make", [lambda: WindowedAttention(DIMS, window=0), lambda: RollingShift(DIMS, T_local=0)])
def test_sizes_must_be_positive(make) -> None:
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        make()
