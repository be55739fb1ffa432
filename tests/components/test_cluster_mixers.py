"""Cluster mixers of linear cost: plain references, reach, cost, and what mask and signal mean to them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import swarmformer
from swarmformer.components.cluster.hierarchical import Hierarchical
from swarmformer.components.cluster.latent import CrossAttention, Latent
from swarmformer.components.cluster.linformer import Linformer
from swarmformer.contracts import Cluster, Dims
from swarmformer.cost.operations import counted_flops
from swarmformer.errors import SpecError
from tests.components.cases import prefix_mask
from tests.helpers import assert_close

D, MOST = 12, 13
DIMS = Dims(vocab_size=40, d_model=D, num_layers=2, cluster_size=4, seq_len=4 * MOST - 1, num_classes=2)
SMALL = {"vocab_size": 40, "d_model": 16, "cluster_size": 4, "seq_len": 64}
NOTHING = float("-inf")

MIXERS: dict[str, Callable[[], Cluster]] = {
    "linformer": lambda: Linformer(DIMS, rank=3),
    "linformer, shared": lambda: Linformer(DIMS, rank=1, share_projection=True, heads=1),
    "latent": lambda: Latent(DIMS, latents=3, heads=2),
    "hierarchical": lambda: Hierarchical(DIMS),
}
EVERY_MIXER = pytest.mark.parametrize("mixer", MIXERS)


def shaken(module: Any) -> Any:
    """Parameters moved away from tame initial values."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return module.eval()


def built(mixer: str) -> Any:
    """In float64, so that what should agree does so but for rounding, far below what should differ."""
    torch.manual_seed(3)
    return shaken(MIXERS[mixer]()).double()


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def zeros(*shape: int) -> Tensor:
    return torch.zeros(*shape, dtype=torch.float64)


def attended(q_QD: Tensor, k_KD: Tensor, v_KD: Tensor, heads: int, bias_K: Tensor | None = None) -> Tensor:
    """Attention of one text, one head and one query at a time, with matrices written out."""
    E, out = D // heads, zeros(len(q_QD), D)
    for h in range(heads):
        part = slice(h * E, (h + 1) * E)
        for i in range(len(q_QD)):
            scores = k_KD[:, part] @ q_QD[i, part] / math.sqrt(E)
            weights = torch.exp(scores if bias_K is None else scores + bias_K)
            out[i, part] = (weights / weights.sum()) @ v_KD[:, part]
    return out


# One text, its real clusters alone, each with its place; signals added or not.


def linformer_by_hand(module: Linformer, c_CD: Tensor, places: list[int], signal_C: Tensor, norm: nn.Module) -> Tensor:
    x, w = norm(c_CD), signal_C.exp()
    rows = []
    for matrix, projection in ((module.key_RC, module.key), (module.value_RC, module.value)):
        total = sum(torch.outer(matrix[:, p], w[j] * projection(x[j])) for j, p in enumerate(places))
        rows.append(total / w.square().sum().sqrt())
    return module.out(attended(module.query(x), *rows, module.heads))


def multihead(module: CrossAttention, q: Tensor, kv: Tensor, bias_K: Tensor | None = None) -> Tensor:
    return module.out(attended(module.query(q), module.key(kv), module.value(kv), module.heads, bias_K))


def latent_by_hand(module: Latent, c_CD: Tensor, places: list[int], signal_C: Tensor, norm: nn.Module) -> Tensor:
    heard = module.latent_MD + multihead(module.gather, module.latent_MD, norm(c_CD), signal_C)
    return multihead(module.spread, norm(c_CD), norm(heard))


@dataclass
class Node:
    h: Tensor
    weight: Tensor
    place: int = -1
    children: tuple[Node, ...] = ()


def hierarchical_by_hand(
    module: Hierarchical, c_CD: Tensor, places: list[int], signal_C: Tensor, norm: nn.Module
) -> Tensor:
    """A tree of objects over the real clusters: who has no sibling is not paired."""

    def update(m: Tensor) -> Tensor:
        return m + module.mlp(norm(m))

    def parent(left: Node | None, right: Node | None) -> Node | None:
        if left is None or right is None:
            return left or right
        weight = left.weight + right.weight
        return Node(update((left.weight * left.h + right.weight * right.h) / weight), weight, children=(left, right))

    def tell(node: Node, heard_from: Tensor) -> None:
        u = module.message(norm(heard_from))
        z = node.h + module.gate(norm(node.h), u) * u
        if node.children:
            for child in node.children:
                tell(child, z)
        else:
            out[node.place] = z

    row: list[Node | None] = [None] * 64
    for j, place in enumerate(places):
        row[place] = Node(update(c_CD[j]), signal_C[j].exp(), place)
    while len(row) > 1:
        row = [parent(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
    out: dict[int, Tensor] = {}
    assert row[0] is not None
    tell(row[0], row[0].h)
    return torch.stack([out[place] for place in places])


BY_HAND: dict[type, Callable[..., Tensor]] = {
    Linformer: linformer_by_hand,
    Latent: latent_by_hand,
    Hierarchical: hierarchical_by_hand,
}


@EVERY_MIXER
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_agrees_with_the_plain_reference(mixer: str, data: st.DataObject) -> None:
    """Any count, any mask, with and without signal and norm."""
    module, C = built(mixer), data.draw(st.integers(1, MOST))
    mask = torch.tensor(data.draw(st.lists(st.lists(st.booleans(), min_size=C, max_size=C), min_size=2, max_size=2)))
    norm = shaken(nn.LayerNorm(D).double()) if data.draw(st.booleans()) else None
    c, signal = random(2, C, D), random(2, C) if data.draw(st.booleans()) else None
    with torch.no_grad():
        out = module(c, mask, norm, signal)
        for b in range(2):
            places = mask[b].nonzero().flatten().tolist()
            assert (out[b, ~mask[b]] == 0).all(), "masked clusters are zero"
            if places:
                own = zeros(len(places)) if signal is None else signal[b, places]
                expected = BY_HAND[type(module)](module, c[b, places], places, own, norm or nn.Identity())
                assert_close(f"text {b}", expected, out[b, places], atol=1e-10)


@EVERY_MIXER
def test_without_mask_all_clusters_are_real(mixer: str) -> None:
    module, c = built(mixer), random(2, 7, D)
    assert_close("out", module(c, torch.ones(2, 7, dtype=torch.bool)), module(c), atol=1e-10)


# Mask and signal


@EVERY_MIXER
@pytest.mark.parametrize("C", [2, 3, 6, 7, MOST])
def test_a_signal_of_nothing_is_a_mask_to_the_others(mixer: str, C: int) -> None:
    module, c = built(mixer), random(2, C, D)
    for silent in range(C):
        signal, mask = zeros(2, C), torch.ones(2, C, dtype=torch.bool)
        signal[1, silent], mask[1, silent] = NOTHING, False
        with torch.no_grad():
            masked, silenced = module(c, mask), module(c, signal_BC=signal)
        assert_close("others", masked[mask], silenced[mask], atol=1e-10)
        assert torch.isfinite(silenced).all(), "the silent cluster itself still hears"


@EVERY_MIXER
def test_a_weak_signal_is_heard_less(mixer: str) -> None:
    """What others get from a cluster falls with its signal, down to nothing."""
    module, C = built(mixer), 6
    c, change = random(1, C, D), zeros(1, C, D)
    change[0, 2] = random(D)
    heard = []
    for level in (2.0, 0.0, -4.0, -12.0):
        signal = zeros(1, C)
        signal[0, 2] = level
        with torch.no_grad():
            gap = module(c + change, signal_BC=signal) - module(c, signal_BC=signal)
        heard.append(float(gap[0, [0, 1, 3, 4, 5]].norm()))
    assert heard[1] > 3 * heard[2] > 9 * heard[3] > 0


@EVERY_MIXER
def test_only_differences_of_signals_matter(mixer: str) -> None:
    """As for a softmax: a number added to all of a text's signals changes nothing, however large."""
    module, c, signal = built(mixer), random(2, 9, D), random(2, 9)
    mask = prefix_mask([9, 5], 9)
    for shift in (1.0, -100.0, 1000.0):
        assert_close(f"{shift:+}", module(c, mask, None, signal), module(c, mask, None, signal + shift), atol=1e-10)


@EVERY_MIXER
@pytest.mark.parametrize("C", [1, 2, 5])
def test_where_nobody_speaks_all_stays_finite(mixer: str, C: int) -> None:
    """A text without clusters, one whose signals are all −∞, and one of both: forward and backward."""
    module, c = built(mixer), random(3, C, D).requires_grad_()
    mask = prefix_mask([0, C, 1], C)
    signal = zeros(3, C)
    signal[1], signal[2, :1] = NOTHING, NOTHING
    signal.requires_grad_()
    out = module(c, mask, None, signal)
    out.square().sum().backward()
    assert torch.isfinite(out).all() and (out[0] == 0).all()
    for tensor in (c, *module.parameters()):
        assert tensor.grad is not None and torch.isfinite(tensor.grad).all()
    assert signal.grad is not None or C == 1, "one cluster alone has nobody to outweigh"
    assert signal.grad is None or torch.isfinite(signal.grad).all()


@EVERY_MIXER
def test_the_signal_learns(mixer: str) -> None:
    module, c, signal = built(mixer), random(2, 6, D), zeros(2, 6).requires_grad_()
    module(c, prefix_mask([6, 4], 6), None, signal).square().sum().backward()
    assert signal.grad is not None
    assert ((signal.grad != 0) == prefix_mask([6, 4], 6)).all()


# Reach and cost


@EVERY_MIXER
@pytest.mark.parametrize("C", [1, 2, 3, 8, 11, MOST])
def test_every_cluster_reaches_every_other(mixer: str, C: int) -> None:
    module, mask = built(mixer), prefix_mask([C, max(1, C - 2)], MOST)
    c = random(2, MOST, D).requires_grad_()
    for b, count in enumerate((C, max(1, C - 2))):
        for i in range(count):
            probe = random(D)
            (gradient,) = torch.autograd.grad((module(c, mask)[b, i] * probe).sum(), c)
            reached = gradient.abs().sum(-1) > 1e-12
            assert torch.equal(reached, mask & (torch.arange(2) == b)[:, None]), f"cluster {i} of {count}"


@EVERY_MIXER
def test_cost_is_linear_in_clusters(mixer: str) -> None:
    """Between powers of two a cluster always adds the same, and attention a growing amount."""
    module, quadratic = built(mixer), swarmformer.build_model("base").layers[0].cluster  # type: ignore[index]
    for counted, linear in ((module, True), (quadratic, False)):
        added = [(counted.flops(2, 2 * C) - counted.flops(2, C)) / C for C in (8, 64, 4096)]
        assert (added[0] == added[1] == added[2]) == linear


OPTIONS: list[dict[str, Any]] = [
    {"name": "linformer"},
    {"name": "linformer", "rank": 1, "heads": 1},
    {"name": "linformer", "rank": 20, "heads": 8, "share_projection": True},
    {"name": "latent"},
    {"name": "latent", "latents": 1, "heads": 1},
    {"name": "latent", "latents": 20, "heads": 16},
    {"name": "hierarchical"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("N", [1, 5, 27, 64])
def test_flops_equal_the_counted_ones(options: dict[str, Any], N: int) -> None:
    model = swarmformer.build_model("base", dims=SMALL, cluster=options)
    assert model.flops(2, N) == counted_flops(model, 2, N)


# Linformer's projection


def test_linformer_keeps_the_size_of_keys_whatever_the_length() -> None:
    """At the start a projected row has the variance of a key, for one cluster as for a hundred."""
    torch.manual_seed(0)
    module = Linformer(DIMS.model_copy(update={"seq_len": 400}), rank=64)
    seen: dict[int, float] = {}

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        seen[q.shape[1]] = float((k.std() / module.key(torch.randn(64, 100, D)).std()).detach())
        return q

    module._attend = attend  # type: ignore[method-assign]
    for C in (1, 5, 100):
        module(torch.randn(64, C, D))
    assert all(ratio == pytest.approx(1.0, rel=0.25) for ratio in seen.values()), seen
    assert list(seen) == [1, 5, 100]


def test_linformer_shares_its_projection_where_asked() -> None:
    apart, shared = (Linformer(DIMS, rank=5, share_projection=share) for share in (False, True))
    sizes = [sum(p.numel() for p in module.parameters()) for module in (apart, shared)]
    assert sizes[0] - sizes[1] == 5 * MOST
    assert shared.value_RC is shared.key_RC and apart.value_RC is not apart.key_RC


def test_linformer_says_what_to_raise_for_more_clusters() -> None:
    module = Linformer(DIMS)
    assert module(torch.randn(1, MOST, D)).shape == (1, MOST, D)
    with pytest.raises(ValueError, match=r"15 clusters.*have 13 columns.*dims\.seq_len to 60"):
        module(torch.randn(1, 15, D))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "linformer", "rank": 0}, r"model\.cluster\.rank: .*greater than or equal to 1, got 0"),
        ({"name": "linformer", "heads": 3}, r"model\.cluster\.heads: .*cluster\.linformer: heads = 3 does not divide"),
        ({"name": "latent", "latents": 0}, r"model\.cluster\.latents: .*greater than or equal to 1, got 0"),
        ({"name": "latent", "heads": 0}, r"model\.cluster\.heads: .*cluster\.latent: heads = 0 does not divide"),
        ({"name": "latent", "dropout": 1.5}, r"model\.cluster\.dropout: .*less than or equal to 1"),
        ({"name": "hierarchical", "dropout": -0.1}, r"model\.cluster\.dropout: .*greater than or equal to 0"),
    ],
)
def test_bad_options_name_their_key(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        swarmformer.build_model("base", dims=SMALL, cluster=options)
