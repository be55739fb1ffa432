"""Local updates against loops over tokens, and what they can tell about order."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import swarmformer
from swarmformer.components.cluster.attention import ClusterAttention
from swarmformer.components.local.depthwise_conv import DepthwiseConv
from swarmformer.components.local.identity import Identity
from swarmformer.components.local.rolling_shift import RollingShift
from swarmformer.components.local.windowed_attention import WindowedAttention
from swarmformer.components.pyramid.halving import Halving
from swarmformer.components.router.learned import Learned
from swarmformer.contracts import Dims, Local
from swarmformer.cost.operations import counted_flops
from swarmformer.errors import SpecError
from tests.components.cases import prefix_mask
from tests.helpers import assert_close

D = 12
DIMS = Dims(vocab_size=40, d_model=D, num_layers=2, cluster_size=4, seq_len=40, num_classes=2)
SMALL = {"vocab_size": 40, "d_model": 16, "cluster_size": 4, "seq_len": 32}
BLIND, SEES = 1e-12, 1e-7


def shaken(module: Any) -> Any:
    """Parameters moved away from tame initial values."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return module.eval()


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


# depthwise_conv


def convolved_by_hand(module: DepthwiseConv, x_BND: Tensor, mask_BN: Tensor, norm: nn.Module) -> Tensor:
    """One token at a time, adding up the real tokens that the kernel covers."""
    out, half = x_BND.clone(), module.kernel // 2
    weight_DK, bias_D = module.depthwise.weight[:, 0], module.depthwise.bias
    assert bias_D is not None
    for b, i in mask_BN.nonzero().tolist():
        u_D = bias_D.clone()
        for k in range(module.kernel):
            j = i + k - half
            if 0 <= j < x_BND.shape[1] and mask_BN[b, j]:
                u_D = u_D + weight_DK[:, k] * norm(x_BND[b, j])
        out[b, i] += module.pointwise.weight @ gelu(u_D) + module.pointwise.bias
    return out


@pytest.mark.parametrize("kernel", [1, 3, 7, 31])
@pytest.mark.parametrize("N", [1, 2, 11])
def test_depthwise_conv(N: int, kernel: int) -> None:
    torch.manual_seed(N)
    module, norm = shaken(DepthwiseConv(DIMS, kernel=kernel)), shaken(nn.LayerNorm(D))
    x, everything = torch.randn(3, N, D), torch.ones(3, N, dtype=torch.bool)
    with torch.no_grad():
        for mask in (everything, prefix_mask([N, N // 2, 1], N), torch.rand(3, N) > 0.4):
            expected, out = convolved_by_hand(module, x, mask, norm), module(x, mask, norm)
            assert torch.isfinite(out).all()
            if mask.any():
                assert_close("out", expected[mask], out[mask], atol=1e-5)
        assert_close("without mask", convolved_by_hand(module, x, everything, nn.Identity()), module(x), atol=1e-5)


@pytest.mark.parametrize("kernel", [1, 3, 9, 41])
@pytest.mark.parametrize("N", [1, 4, 31])
def test_depthwise_conv_flops(kernel: int, N: int) -> None:
    """The counter knows groups: a depthwise kernel costs 2·kernel a token and feature, by hand in tests/cost."""
    model = swarmformer.build_model("base", dims=SMALL, local={"name": "depthwise_conv", "kernel": kernel})
    assert model.flops(2, N) == counted_flops(model, 2, N)


def test_default_kernel_reaches_as_far_as_the_published_steps() -> None:
    def reach(module: Local) -> list[int]:
        x = torch.randn(1, 21, D, requires_grad=True)
        module(x)[0, 10].sum().backward()
        assert x.grad is not None
        return x.grad[0].abs().sum(-1).nonzero().flatten().tolist()

    assert reach(DepthwiseConv(DIMS)) == reach(RollingShift(DIMS, T_local=3)) == list(range(7, 14))


# identity


def test_identity_changes_nothing() -> None:
    x = torch.randn(2, 5, D)
    module = Identity(DIMS)
    assert torch.equal(module(x, prefix_mask([5, 2], 5), nn.LayerNorm(D)), x)
    assert not list(module.parameters()) and module.flops(8, 100) == 0


def test_without_local_update_order_within_a_cluster_is_lost() -> None:
    model = doubled(local="identity")
    ids = random_ids(24)
    within = ids.reshape(3, 6, 4).flip(2).reshape(3, 24)
    assert difference(model, ids, within) < BLIND < SEES < difference(model, ids, ids.roll(1, dims=1))


# rolling_shift with positions


def step_by_hand(module: RollingShift, x_ND: Tensor, wrap: bool) -> Tensor:
    """One step for one text without pads."""
    assert module.scale_3D is not None
    N, rows = len(x_ND), []
    for i in range(N):
        near = [(p, (i + p - 1) % N if wrap else i + p - 1) for p in range(3)]
        near = [(p, j) for p, j in near if 0 <= j < N]
        mean = torch.stack([module.scale_3D[p] * x_ND[j] for p, j in near]).sum(0) / len(near)
        u = module.mlp[3](gelu(module.mlp[0](mean)))
        rows.append(x_ND[i] + module.gate(x_ND[i], u) * (u if module.residual else u - x_ND[i]))
    return torch.stack(rows)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("N", [1, 2, 3, 9])
def test_rolling_shift_with_positions(N: int, masked: bool, residual: bool) -> None:
    module = shaken(RollingShift(DIMS, T_local=2, masked=masked, positions=True, residual=residual, closed=residual))
    x = torch.randn(2, N, D)
    with torch.no_grad():
        expected = torch.stack([step_by_hand(module, step_by_hand(module, text, not masked), not masked) for text in x])
        assert_close("out", expected, module(x), atol=1e-5)
        if masked:
            padded = module(torch.cat([x, torch.randn(2, 3, D)], dim=1), prefix_mask([N, N], N + 3))
            assert_close("padded", expected, padded[:, :N], atol=1e-5)


@pytest.mark.parametrize("masked", [True, False])
def test_positions_start_at_the_published_arithmetic(masked: bool) -> None:
    plain, with_positions = (RollingShift(DIMS, masked=masked, positions=p).eval() for p in (False, True))
    assert "scale_3D" not in plain.state_dict()
    with_positions.load_state_dict({**plain.state_dict(), "scale_3D": torch.ones(3, D)})
    x, mask = torch.randn(2, 8, D), prefix_mask([8, 5], 8)
    assert torch.equal(plain(x, mask), with_positions(x, mask))
    assert plain.flops(2, 8) == with_positions.flops(2, 8)


def spread(x_BND: Tensor) -> float:
    return float((x_BND - x_BND.mean(dim=1, keepdim=True)).detach().square().mean().sqrt())


def test_a_residual_and_a_closed_gate_keep_tokens_apart_at_the_start() -> None:
    """Three half-open steps leave an eighth of a token and put the same mean of means in its place."""
    torch.manual_seed(0)
    x, dims = torch.randn(2, 30, 32), DIMS.model_copy(update={"d_model": 32})
    found = {}
    for name, options in {"moved": {}, "added": {"residual": True}, "closed": {"closed": True}}.items():
        torch.manual_seed(1)
        found[name] = spread(RollingShift(dims, **options).eval()(x)) / spread(x)  # type: ignore[arg-type]
    assert found["moved"] < 0.2 and found["added"] > 0.95 and 0.6 < found["closed"] < 0.75, "0.88 ** 3 = 0.68"


# windowed_attention with what it lacks, and heads of a least width


def test_windows_with_a_gate_and_an_mlp() -> None:
    options: dict[str, Any] = {"window": 2, "heads": 2}
    bare = shaken(WindowedAttention(DIMS, **options))
    full = WindowedAttention(DIMS, **options, mlp=2.0, gate=True)
    full.load_state_dict({**full.state_dict(), **bare.state_dict()})
    module, norm = shaken(full), nn.LayerNorm(D)
    bare.load_state_dict({name: module.state_dict()[name] for name in bare.state_dict()})
    x, mask = torch.randn(2, 7, D), prefix_mask([7, 4], 7)
    with torch.no_grad():
        u = bare(x, mask, norm) - x
        inner = x + module.gate(x, u) * u
        out = inner + module.mlp[3](gelu(module.mlp[0](norm(inner))))
        assert_close("out", out[mask], module(x, mask, norm)[mask], atol=1e-5)
    assert module.mlp[0].out_features == 2 * D


@pytest.mark.parametrize(
    ("heads", "d_model", "least", "expected"),
    [(4, 48, 0, 4), (4, 48, 32, 1), (4, 64, 32, 2), (4, 128, 32, 4), (4, 192, 32, 4), (8, 96, 32, 3), (1, 16, 32, 1)],
)
def test_heads_are_as_many_as_there_is_room_for(heads: int, d_model: int, least: int, expected: int) -> None:
    dims = DIMS.model_copy(update={"d_model": d_model})
    window = WindowedAttention(dims, heads=heads, head_width=least)
    cluster = ClusterAttention(dims, heads=heads, head_width=least)
    assert window.heads == cluster.heads == expected
    assert window.bias_HR is not None and window.bias_HR.shape[0] == expected, "one for each head that is computed"


def test_what_cannot_act_is_said() -> None:
    wide, narrow = (DIMS.model_copy(update={"d_model": width, "num_layers": 3}) for width in (128, 48))
    assert not WindowedAttention(wide, window=16).remarks() and not Halving(wide).remarks()
    assert not ClusterAttention(wide, heads=4).remarks() and not ClusterAttention(narrow).remarks()
    assert not Learned(DIMS, logits="content", sampling="gumbel", release=8.0).remarks()
    assert not Learned(DIMS, distance=0.2).remarks() and not Learned(DIMS, distance=0.0, frozen=True).remarks()
    said = {
        "heads of 12 features, narrower than 32: set head_width: 32, or fewer heads": ClusterAttention(narrow, heads=4),
        "d_model 48 has no room for 4 heads": ClusterAttention(narrow, heads=4, head_width=32),
        "a window of 39 tokens covers every text of 40": WindowedAttention(wide, window=39),
        "clusters of 2 sizes in 2 layers": Halving(DIMS),
        "there is one cluster": Learned(DIMS.model_copy(update={"cluster_size": 40})),
        "held to their chunks (λ = 4 at the start) and no schedule lets go": Learned(DIMS, logits="content"),
        "gumbel chooses by place alone": Learned(DIMS, sampling="gumbel", release=8.0),
    }
    for words, component in said.items():
        assert words in " ".join(component.remarks())


# What is blind to reversal, and what is not. In double precision "blind" is zero but for rounding.


def doubled(variant: str = "base", **overrides: Any) -> nn.Module:
    """A small model in float64 with parameters far from their tame initial values."""
    torch.manual_seed(0)
    model = swarmformer.build_model(variant, dims=SMALL, **overrides).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def random_ids(N: int) -> Tensor:
    return torch.randint(40, (3, N), generator=torch.Generator().manual_seed(1))


def difference(model: nn.Module, one: Tensor, other: Tensor) -> float:
    with torch.no_grad():
        return float((model(one) - model(other)).abs().max())


@pytest.mark.parametrize("variant", ["base", "original"])
@pytest.mark.parametrize("positions", [False, True])
def test_positions_let_rolling_shifts_see_reversal(variant: str, positions: bool) -> None:
    model, ids = doubled(variant, local={"positions": positions}), random_ids(24)
    change = difference(model, ids, ids.flip(1))
    assert change > SEES if positions else change < BLIND


def test_convolution_sees_reversal_unless_its_kernel_is_symmetric() -> None:
    model, ids = doubled(local={"name": "depthwise_conv", "kernel": 5}), random_ids(24)
    assert difference(model, ids, ids.flip(1)) > SEES
    with torch.no_grad():
        for layer in model.layers:  # type: ignore[union-attr]
            weight = layer.local.depthwise.weight  # type: ignore[union-attr]
            weight.copy_((weight + weight.flip(-1)) / 2)  # type: ignore[union-attr,operator]
    assert difference(model, ids, ids.flip(1)) < BLIND


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kernel": 4}, r"model\.local\.kernel: .*kernel = 4 has no middle; use an odd number such as 5"),
        ({"kernel": 0}, r"model\.local\.kernel: .*greater than or equal to 1, got 0"),
        ({"kernel": -3}, r"model\.local\.kernel: .*greater than or equal to 1, got -3"),
    ],
)
def test_bad_kernels_name_their_key(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        swarmformer.build_model("base", dims=SMALL, local={"name": "depthwise_conv", **options})
