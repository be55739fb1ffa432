"""The eight enhancements and their controls: names, combinations, parity, and who sees the order of words."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

import swarmformer
from swarmformer import load_variant
from swarmformer.assembly import assemble_without_weights
from swarmformer.catalogue import variants_dir
from swarmformer.contracts import Model
from swarmformer.cost.parts import count_parameters
from swarmformer.errors import SpecError
from swarmformer.variants import load_factors
from swarmformer.yaml import read_yaml
from tests.helpers import prefix_mask

EIGHT = ("windowed", "multi_head", "routing", "gated_mlp", "layer_norm", "tied_qkv", "pyramid", "gumbel")
SIZES = {"vocab_size": 30, "d_model": 16, "cluster_size": 2, "seq_len": 16, "num_classes": 3}
COMBINATIONS = [chosen for count in range(9) for chosen in combinations(EIGHT, count)]
QUICK = ((0, 1, 2, 3, 6), (0, 1, 4, 5, 7))
"""Generators of a quarter of resolution V: of any four factors all combinations; the others are slow."""


def by_speed(chosen: tuple[str, ...]) -> Any:
    """A parameter, slow unless it belongs to the quarter."""
    even = all(sum(EIGHT[place] in chosen for place in words) % 2 == 0 for words in QUICK)
    return pytest.param(chosen, id="+".join(chosen) or "base", marks=[] if even else pytest.mark.slow)


def spec(name: str) -> dict[str, Any]:
    return load_variant(name).model_spec().to_dict()


def test_enhanced_is_the_base_with_the_eight() -> None:
    assert read_yaml(variants_dir() / "enhanced.yaml")["factors"] == list(EIGHT)
    assert spec("enhanced") == spec("base+" + "+".join(EIGHT)) == spec("base+" + "+".join(reversed(EIGHT)))
    enhanced = spec("enhanced")
    assert {slot: enhanced[slot]["name"] for slot in ("local", "router", "feedback", "norm", "pyramid")} == {
        "local": "windowed_attention", "router": "learned", "feedback": "gated_mlp",
        "norm": "layer_norm", "pyramid": "halving",
    }  # fmt: skip
    assert (enhanced["cluster"]["heads"], enhanced["cluster"]["tie"]) == (4, "qkv")


@pytest.mark.parametrize("factor", EIGHT)
def test_leaving_one_out_is_adding_the_other_seven(factor: str) -> None:
    others = "+".join(other for other in EIGHT if other != factor)
    assert spec(f"enhanced-{factor}") == spec(f"base+{others}") != spec("enhanced")


def test_routing_and_gumbel_are_a_full_two_by_two() -> None:
    found = {}
    for name in ("base", "base+routing", "base+gumbel", "base+routing+gumbel"):
        router = spec(name)["router"]
        found[name] = (router["name"], router.get("logits"), router.get("sampling"))
    assert found == {
        "base": ("fixed_chunk", None, None),
        "base+routing": ("learned", "content", "softmax"),
        "base+gumbel": ("learned", "position", "gumbel"),
        "base+routing+gumbel": ("learned", "content", "gumbel"),
    }


@pytest.mark.parametrize("size", ["small", "base"])
def test_enhanced_comes_at_both_published_sizes(size: str) -> None:
    enhanced, original = load_variant(f"enhanced_{size}"), load_variant(f"original_{size}")
    assert enhanced.model_spec().dims == original.model_spec().dims
    assert enhanced.tree.values["train"] == original.tree.values["train"]
    assert spec(f"enhanced_{size}-pyramid")["pyramid"]["name"] == "constant", "inherited factors can be taken out"


@pytest.mark.parametrize("chosen", [by_speed(chosen) for chosen in COMBINATIONS])
def test_all_combinations_build_and_train(chosen: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    model = swarmformer.build_model("+".join(("base", *chosen)), dims=SIZES).train()
    ids = torch.randint(30, (3, 13))
    output = model.detailed(ids, prefix_mask([13, 6, 0], 13))
    (output.logits_BK.square().sum() + sum(output.losses.values())).backward()
    assert torch.isfinite(output.logits_BK).all()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    with torch.no_grad():
        assert torch.isfinite(model.eval()(ids, prefix_mask([1, 13, 2], 13))).all()


@pytest.mark.parametrize("factor", load_factors())
def test_a_factor_changes_the_model_and_nothing_else(factor: str) -> None:
    patch = load_factors()[factor]["patch"]
    assert set(patch) == {"model"}
    needs = {"coherence_signal": "base+routing", "coherence_loss": "base+routing", "neighbours": "base+routing"}
    base = needs.get(factor, "base")
    assert spec(f"{base}+{factor}") != spec(base)


def added(name: str, base: str = "base") -> int:
    counts = [count_parameters(assemble_without_weights(load_variant(n).model_spec())) for n in (name, base)]
    return counts[0].total - counts[1].total


@pytest.mark.parametrize(
    ("placebo", "claim", "tolerance"),
    [("added_mlp", "out_proj", 0.0), ("added_mlp_wide", "gated_mlp", 0.01), ("added_mlp_narrow", "routing", 0.02)],
)
def test_the_added_mlp_has_the_parameters_of_the_claim(placebo: str, claim: str, tolerance: float) -> None:
    assert added(f"base+{placebo}") == pytest.approx(added(f"base+{claim}"), rel=tolerance, abs=0)


def test_multi_head_and_its_controls_have_as_many_parameters() -> None:
    assert added("base+multi_head") == added("base+out_proj") == added("base+added_mlp")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("base+windowed-windowed", r"puts factor 'windowed' in and takes it out: leave out both"),
        ("base-windowed", r"has no factor 'windowed' to take out; its factors: none"),
        ("enhanced-positions", r"has no factor 'positions' to take out; its factors: windowed, multi_head"),
        ("enhanced-windwed", r"has no factor 'windwed' to take out"),
        ("enhanced+windowed", r"factor 'windowed' is there already"),
        ("base+windowed+windowed", r"factor 'windowed' is there already"),
        ("base+routing+shuffled", r"factors 'routing' and 'shuffled' both set model\.router\.name"),
        ("base+tied_qkv+tied_kv", r"factors 'tied_qkv' and 'tied_kv' both set model\.cluster\.tie"),
    ],
)
def test_changes_that_cannot_be_made_are_refused(name: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load_variant(name)


def test_a_path_may_have_the_signs_of_changes(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a+b-c.yaml").write_text("base: base\nfactors: [pyramid]\n")
    assert spec("a+b-c.yaml") == spec("base+pyramid")
    assert spec("a+b-c.yaml-pyramid+layer_norm") == spec("base+layer_norm")
    (tmp_path / "bad.yaml").write_text("base: base\nfactors: [pyramids]\n")
    with pytest.raises(SpecError, match=r"bad\.yaml: factors: unknown factor 'pyramids'.*Did you mean 'pyramid'"):
        load_variant("bad.yaml")
    (tmp_path / "bad.yaml").write_text("base: base\nfactors: pyramid\n")
    with pytest.raises(SpecError, match=r"bad\.yaml: factors: expected a list of names, got 'pyramid'"):
        load_variant("bad.yaml")


# What the analysis predicts about word order, for every factor. In float64 "blind" is zero but for rounding.

BLIND, SEES = 1e-12, 1e-7
TEXT = torch.randint(30, (3, 16), generator=torch.Generator().manual_seed(0))
SEEING = {
    "windowed", "windowed_mlp", "windowed_gate", "windowed_near", "routing", "routing_released", "gumbel", "positions",
    "shift_positions", "shuffled",
}  # fmt: skip
BLIND_TO_REVERSAL = {
    "multi_head", "gated_mlp", "layer_norm", "tied_qkv", "pyramid", "uniform_window", "out_proj", "added_mlp",
    "added_mlp_wide", "added_mlp_narrow", "tied_qkv_pure", "tied_kv", "shift_residual", "shift_once", "shift_closed",
    "windowed_unordered", "gated_mlp_closed", "layer_norm_residual", "latent",
}  # fmt: skip
EITHER = {"coherence_signal", "coherence_loss", "neighbours", "random_routing", "ngrams", "nb_svm", "hierarchical"}
"""Parts of learned routing, whose vectors per cluster tell the order; not looked at alone. N-grams, which see what
training texts taught them. And a tree, which is its own mirror image over as many clusters as a power of two."""


def doubled(name: str) -> Model:
    """A model in float64 with parameters far from their tame initial values; λ too, which holds tokens to chunks."""
    torch.manual_seed(0)
    loose = {"router": {"distance": 0.05}} if load_variant(name).model_spec().slots["router"].name == "learned" else {}
    model = swarmformer.build_model(name, dims=SIZES, **loose).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def changed_by(model: Model, other: Tensor) -> float:
    """As a share of the largest logit where that is above 1: rounding grows with it."""
    with torch.no_grad():
        logits = model(TEXT)
        return float((logits - model(other)).abs().max() / logits.abs().max().clamp(min=1))


def test_every_factor_has_a_prediction() -> None:
    assert set(load_factors()) == SEEING | BLIND_TO_REVERSAL | EITHER


@pytest.mark.parametrize("name", ["base", *(f"base+{factor}" for factor in sorted(BLIND_TO_REVERSAL))])
def test_factors_that_cannot_see_a_reversal(name: str) -> None:
    """Neighbours' means, chunks of a length that divides, attention between sets, a mean: all symmetric."""
    model = doubled(name)
    assert changed_by(model, TEXT.flip(1)) < BLIND
    assert changed_by(model, TEXT.sort(dim=1).values) > SEES, "other orders do make a difference"


@pytest.mark.parametrize("name", [*(f"base+{factor}" for factor in sorted(SEEING)), "enhanced"])
def test_factors_that_see_a_reversal(name: str) -> None:
    assert changed_by(doubled(name), TEXT.flip(1)) > SEES


def test_original_is_blind_to_reversal_and_to_rotation_by_a_cluster() -> None:
    model = doubled("original")
    assert changed_by(model, TEXT.flip(1)) < BLIND
    assert changed_by(model, TEXT.roll(2, dims=1)) < BLIND
    assert changed_by(model, TEXT.roll(6, dims=1)) < BLIND
    assert changed_by(model, TEXT.roll(1, dims=1)) > SEES


@pytest.mark.parametrize("factor", sorted(SEEING - {"shift_positions"}))
def test_what_sees_the_order_sees_a_rotation_too(factor: str) -> None:
    """On the original itself, whose ends wrap around, so that nothing else can tell."""
    assert changed_by(doubled(f"original+{factor}"), TEXT.roll(2, dims=1)) > SEES


def test_telling_left_from_right_does_not_tell_where_one_stands() -> None:
    model = doubled("original+shift_positions")
    assert changed_by(model, TEXT.roll(2, dims=1)) < BLIND
    assert changed_by(model, TEXT.flip(1)) > SEES
