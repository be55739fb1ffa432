"""Whole models: every shipped variant and factor, every component in the base, and what the analysis predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import swarmformer
from swarmformer import registry
from swarmformer.assembly import assemble_without_weights
from swarmformer.components.shared import Gate
from swarmformer.contracts import Channel, Model
from swarmformer.cost.operations import counted_flops
from swarmformer.run_key import canonical
from swarmformer.testing import parametrize_with_checks
from swarmformer.testing.variant import checks_of_variant
from swarmformer.variants import list_variants, load_factors, load_variant
from tests.components.cases import Case, cases
from tests.helpers import assert_close

SIZES = {"vocab_size": 50, "d_model": 16, "cluster_size": 4, "seq_len": 32, "num_classes": 3}
MODEL_SLOTS = ("embedding", "local", "router", "cluster", "feedback", "norm", "pyramid", "pooling")
COMBINED = ("base+windowed+multi_head+layer_norm+tied_qkv+positions",)
SHIPPED = (*list_variants(), *(f"base+{factor}" for factor in load_factors()), *COMBINED)


def build(variant: str, seed: int = 0, **overrides: Any) -> Model:
    """A small model in eval mode, its parameters moved away from tame initial values."""
    torch.manual_seed(seed)
    model = swarmformer.build_model(variant, dims=SIZES, **overrides)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed" not in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


@cache
def small(variant: str) -> Model:
    return build(variant)


def random_ids(B: int, N: int, seed: int = 0) -> Tensor:
    return torch.randint(SIZES["vocab_size"], (B, N), generator=torch.Generator().manual_seed(seed))


def one_of_each(variants: Iterable[str]) -> list[str]:
    """Of variants that are the same model at the kit's sizes but for how much they drop in training, the first."""
    models: dict[str, str] = {}
    for variant in variants:
        _, case = next(checks_of_variant(variant))
        models.setdefault(canonical(dropping(case.spec.to_dict())), variant)
    return list(models.values())


def dropping(spec: Any) -> Any:
    """A specification with its rates of dropout replaced by whether there is any."""
    if not isinstance(spec, dict):
        return spec
    return {key: value > 0 if key.endswith("dropout") else dropping(value) for key, value in spec.items()}


# A factor's components are held to their slots' contracts one by one; here they are held together.
@parametrize_with_checks(one_of_each((*list_variants(), *COMBINED)))
def test_contract(check: Callable[[], None]) -> None:
    check()


def test_every_model_family_is_shipped_in_a_variant() -> None:
    families = {load_variant(variant).model_spec().name for variant in list_variants()}
    assert families == {entry.name for entry in registry.list_components("model")}


def bias_of_channel(model: Any) -> Tensor:
    """What a channel says of a text without n-grams."""
    if not hasattr(model, "channel"):
        return torch.zeros(())
    bias_C = model.channel.bias_C
    return torch.cat([-bias_C, bias_C]) / 2 if model.dims.num_classes == 2 else bias_C


def of_zeros(model: Any) -> Tensor:
    """What a classifier makes of zeros; a channel by itself has none."""
    if not hasattr(model, "classifier"):
        return torch.zeros(2, model.dims.num_classes)
    first = next(module for module in model.classifier.modules() if isinstance(module, nn.Linear))
    return model.classifier(torch.zeros(2, first.in_features))


@pytest.mark.parametrize("variant", SHIPPED)
def test_an_empty_text_gives_what_the_classifier_makes_of_zero(variant: str) -> None:
    model: Any = small(variant)
    if not model.honours_mask:
        pytest.skip("the published faults let pads in")
    if model.per_token:
        pytest.skip("answers at tokens, of which an empty text has none")
    with torch.no_grad():
        logits = model(random_ids(2, 5), torch.zeros(2, 5, dtype=torch.bool))
        expected = of_zeros(getattr(model, "trunk", model)) + bias_of_channel(model)
    assert_close("logits", expected, logits, atol=1e-6)


def test_the_faults_are_those_of_the_published_variants() -> None:
    faulty = {variant for variant in SHIPPED if not small(variant).honours_mask}
    assert faulty == {v for v in SHIPPED if v.startswith("original") or v.endswith("published")}


@pytest.mark.parametrize("variant", SHIPPED)
def test_gates_norms_biases_and_vectors_take_no_weight_decay(variant: str) -> None:
    """The rule, stated here by the modules' types; the components name their gates themselves."""
    model = small(variant)
    spared = {
        id(parameter)
        for module in model.modules()
        for whole in [isinstance(module, Gate | nn.LayerNorm | nn.RMSNorm | Channel)]
        for name, parameter in module.named_parameters(recurse=whole)
        if whole or parameter.ndim < 2 or "bias" in name
    }
    assert {name for name, parameter in model.named_parameters() if id(parameter) in spared} == model.undecayed()


@pytest.mark.parametrize("case", cases(*MODEL_SLOTS), ids=str)
def test_every_component_fits_into_the_base(case: Case) -> None:
    chosen: dict[str, Any] = {case.slot: {"name": case.name, **case.options}}
    model = build("base", **chosen)
    assert model.flops(2, 12) == counted_flops(model, 2, 12)
    assert model.spec.slots[case.slot].name == case.name


def test_building_without_weights_draws_no_random_numbers() -> None:
    spec, state = small("enhanced").spec, torch.get_rng_state()
    model = assemble_without_weights(spec)
    assert all(tensor.is_meta for tensor in model.state_dict().values())
    assert model.flops(2, 16) == small("enhanced").flops(2, 16)
    assert torch.equal(torch.get_rng_state(), state)


# What the analysis predicts about word order. In double precision "blind" is zero but for rounding.

BLIND = 1e-12
SEES = 1e-7


def doubled(variant: str, **overrides: Any) -> Model:
    """A model in float64 with parameters far from their tame initial values."""
    model = build(variant, **overrides).double()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3)
    return model


def changes(model: Model, other: Tensor, ids: Tensor) -> float:
    """By how much the logits of ``other`` differ from those of ``ids``."""
    with torch.no_grad():
        return float((model(ids) - model(other)).abs().max())


TEXT = random_ids(3, 24)


def test_base_sees_a_rotation_because_its_ends_do_not_wrap_around() -> None:
    assert changes(doubled("base"), TEXT.roll(4, dims=1), TEXT) > SEES


def test_base_sees_a_reversal_only_where_the_last_cluster_is_partial() -> None:
    model = doubled("base")
    for N in (20, 24):
        assert changes(model, TEXT[:, :N].flip(1), TEXT[:, :N]) < BLIND
    for N in (21, 22, 23):
        assert changes(model, TEXT[:, :N].flip(1), TEXT[:, :N]) > SEES


def test_windows_without_relative_bias_are_blind_to_reversal() -> None:
    model = doubled("base+windowed", local={"relative_bias": False, "window": 3})
    assert changes(model, TEXT.flip(1), TEXT) < BLIND


def test_bag_of_embeddings_is_blind_to_any_order() -> None:
    assert changes(doubled("bag_of_embeddings"), TEXT[:, torch.randperm(24)], TEXT) < BLIND


# Initial weights.


def weights(variant: str, seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return dict(swarmformer.build_model(variant, dims=SIZES).state_dict())


@pytest.mark.parametrize("variant", [v for v in SHIPPED if v.startswith("base+")])
def test_variants_with_one_seed_share_the_weights_of_shared_components(variant: str) -> None:
    base = weights("base", 3)
    other = {name.removeprefix("trunk."): weight for name, weight in weights(variant, 3).items()}
    patch = load_variant(variant).model_spec()
    plain = load_variant("base").model_spec()
    same_slots = {slot for slot in plain.slots if plain.slots[slot] == patch.slots[slot]}
    shared = [n for n in base if n.startswith("classifier") or any(s in n.split(".")[:3] for s in same_slots)]
    assert shared
    for name in shared:
        assert torch.equal(base[name], other[name]), name


def test_weights_follow_the_seed_and_layers_differ() -> None:
    first, again, other = weights("base", 1), weights("base", 1), weights("base", 2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])
    assert not torch.equal(first["layers.0.local.mlp.0.weight"], first["layers.1.local.mlp.0.weight"])


def test_weights_of_a_component_do_not_depend_on_what_was_built_before_it() -> None:
    from swarmformer.models.parts import Parts

    spec = load_variant("base").model_spec()
    places = [("local", "layers.0.local"), ("cluster", "layers.0.cluster"), ("embedding", "embedding")]

    def built(order: list[tuple[str, str]]) -> dict[str, Tensor]:
        torch.manual_seed(5)
        parts = Parts(spec.dims.model_copy(update=SIZES), spec.slots)
        state = torch.get_rng_state()
        modules = {place: parts.build(slot, place) for slot, place in order}
        assert torch.equal(torch.get_rng_state(), state), "building leaves the global stream alone"
        return {f"{place}.{name}": t for place, m in modules.items() for name, t in m.state_dict().items()}

    forwards, backwards = built(places), built(places[::-1])
    assert forwards.keys() == backwards.keys()
    assert all(torch.equal(forwards[name], backwards[name]) for name in forwards)


# Sizes that a person may get wrong.


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"local": {"dropout": 1.5}}, r"overrides: model\.local\.dropout: .*less than or equal to 1, got 1\.5"),
        ({"cluster": {"heads": 3}}, r"overrides: model\.cluster\.heads: .*heads = 3 does not divide d_model = 128"),
        ({"local": {"T_local": 0}}, r"overrides: model\.local\.T_local: .*at least 1"),
        ({"final_dropout": -0.1}, r"overrides: model\.final_dropout: .*greater than or equal to 0, got -0\.1"),
    ],
)
def test_values_that_a_component_refuses_name_the_key(overrides: dict[str, Any], words: str) -> None:
    with pytest.raises(swarmformer.errors.SpecError, match=words):
        swarmformer.build_model("base", **overrides)


def test_losses_are_summed_over_layers_and_telemetry_is_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from swarmformer.components.router.fixed_chunk import FixedChunk

    plain = FixedChunk.forward

    def with_losses(self, x_BND, mask_BN, cluster_size):
        assignment = plain(self, x_BND, mask_BN, cluster_size)
        assignment.losses = {"balance": torch.tensor(0.5)}
        assignment.telemetry = {"dead": torch.tensor(1.0)}
        return assignment

    monkeypatch.setattr(FixedChunk, "forward", with_losses)
    output = small("base").detailed(random_ids(1, 8))
    assert output.losses == {"balance": torch.tensor(1.5)}
    assert len(output.telemetry) == 3 and set(output.telemetry[0]) == {"dead"}
