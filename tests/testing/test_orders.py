"""What a component says of its growth: read, joined, and held against its closed form."""

from __future__ import annotations

import pytest

from swarmformer import registry
from swarmformer.errors import SpecError
from swarmformer.order import exponent, joined, terms
from swarmformer.testing import Case, Status
from swarmformer.testing.checks.orders import flops_grow_in_the_stated_order
from tests.components.cases import cases

COUNTED = ("embedding", "local", "router", "cluster", "feedback", "pooling", "model")


def test_terms_are_read() -> None:
    assert terms("N·D² + C²·D") == {"N·D²": {"N": 1, "D": 2}, "C²·D": {"C": 2, "D": 1}}
    assert terms("0") == {}


@pytest.mark.parametrize("order", ["N·D^2", "N*D", "N·N", "Z", "N·D²+C", "", "N·D² + ", "0 + N"])
def test_anything_else_is_refused_and_the_symbols_are_named(order: str) -> None:
    with pytest.raises(SpecError, match=r"Write a sum such as .* N \(tokens of a text\)"):
        terms(order)


@pytest.mark.parametrize(
    ("orders", "whole"),
    [
        (("0", "0"), "0"),
        (("T·N·D²", "C·D² + C²·D", "N·D²", "0"), "T·N·D² + C²·D"),
        (("N·D²", "N·D²"), "N·D²"),
        (("C²·D", "N·D", "N·C·D"), "N·C·D"),
        (("N", "C"), "N"),
        (("N·W·D", "N·D²"), "N·W·D + N·D²"),
        (("N·D²", ""), ""),
    ],
)
def test_joined_keeps_what_may_dominate(orders: tuple[str, ...], whole: str) -> None:
    assert joined(orders) == whole


def test_exponents_are_those_of_the_fastest_term() -> None:
    assert exponent("N·D² + C²·D", {"N": 1}) == 2
    assert exponent("N·D² + C²·D", {"D": 1}) == 2
    assert exponent("N·D² + C²·D", {"N": 1, "D": 2}) == 5
    assert exponent("N·D² + N·W·D", {"W": 1}) == 1
    assert exponent("0", {"N": 1}) is None


def test_every_component_of_ours_states_its_order() -> None:
    silent = [str(case) for case in cases(*COUNTED) if not case.build().order]
    assert silent == []


def case_of(name: str) -> Case:
    slot, _, component = name.partition(".")
    return Case(registry.get(slot, component), slot)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("local.windowed_attention", "N·D²"),  # no word of the window
        ("local.windowed_attention", "N·W·D"),  # none of the projections
        ("local.windowed_attention", "N·D² + N²·D"),
        ("local.windowed_attention", "N·D² + N·W²·D"),
        ("local.rolling_shift", "N·D²"),
        ("local.depthwise_conv", "N·K·D"),
        ("local.identity", "N"),
        ("cluster.attention", "C·D²"),
        ("cluster.attention", "C²·D"),
        ("cluster.attention", "C²·D²"),
        ("cluster.attention", "C·D² + C²"),
        ("cluster.attention", "D² + C²·D"),
        ("cluster.latent", "C·D² + C²·D"),
        ("feedback.gated_linear", "0"),
        ("pooling.attention", "N·D²"),
        ("model.bag_of_embeddings", "N·D"),
        ("model.cnn", "N·D²"),
    ],
)
def test_a_wrong_order_is_caught(name: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(name)
    assert flops_grow_in_the_stated_order.run(case).status is Status.PASSED
    monkeypatch.setattr(case.cls, "order", property(lambda self: wrong, lambda self, value: None))
    outcome = flops_grow_in_the_stated_order.run(case)
    assert outcome.status is Status.FAILED
    assert f"order {wrong} predicts 2^" in outcome.detail or f"order is {wrong}, but flops are" in outcome.detail


def test_where_nothing_is_stated_nothing_is_checked() -> None:
    from tests.testing.broken import SoundModel

    outcome = flops_grow_in_the_stated_order.run(Case(SoundModel, "model"))
    assert outcome.status is Status.NOT_APPLICABLE and "order = 'N·D²'" in outcome.detail
