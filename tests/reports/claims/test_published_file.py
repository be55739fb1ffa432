"""What was published: a file that holds together, complete, and of variants that there are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from reports.claims.rules.effects import Effect
from reports.errors import ReportError
from reports.published import PATH, read_published
from swarmformer.variants import load_factors, load_variant

EIGHT = ("windowed", "multi_head", "routing", "gated_mlp", "layer_norm", "tied_qkv", "pyramid", "gumbel")


def test_every_point_and_every_enhancement_has_a_claim() -> None:
    published = read_published()
    facts = {claim.fact for claim in published.claims} - {None}
    assert facts == set(range(1, 10))
    effects = [claim.decide.factor for claim in published.claims if isinstance(claim.decide, Effect)]
    assert sorted(effects) == sorted(EIGHT) and set(EIGHT) <= set(load_factors())
    keys = {claim.key for claim in published.claims}
    assert {"accuracy_base", "accuracy_small", "latency_base", "latency_small", "memory_base", "memory_small"} <= keys
    assert {"cost_enhanced", "parameters_saved"} <= keys


def test_the_variants_and_arms_of_claims_are_there() -> None:
    options = [claim.decide.model_dump() for claim in read_published().claims]
    for key, some in (("variant", "original_small"), ("arm", "enhanced"), ("control", "base")):
        named = {each[key] for each in options if key in each}
        assert some in named
        for variant in named:
            load_variant(variant)


def test_numbers_of_the_models_are_those_of_our_variants() -> None:
    published = read_published()
    for variant in ("original_base", "original_small"):
        numbers, dims = published.of(variant), load_variant(variant).model_spec().dims
        for name in ("d_model", "num_layers", "cluster_size", "seq_len"):
            assert numbers[name].plain == getattr(dims, name), (variant, name)


def test_a_number_knows_its_plain_value_and_how_it_was_printed() -> None:
    published = read_published()
    accuracy, latency = published.number("small_accuracy"), published.number("base_latency")
    assert (accuracy.text, accuracy.plain) == ("86.20 %", pytest.approx(0.862))
    assert accuracy.half_step == pytest.approx(0.00005)
    assert (latency.text, latency.plain) == ("4.83 ms", pytest.approx(0.00483))
    assert published.number("base_memory").plain == 9.13e9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": "base_precision"}, "given twice: base_precision"),
        ({"document": "005"}, "no such documents: 005"),
        ({"unit": "miles"}, "unit"),
        ({"colour": "red"}, "colour"),
        ({"value": "high"}, "value"),
        ({"key": "another"}, "numbers that are not there: base_accuracy"),
    ],
)
def test_a_file_that_does_not_hold_together_is_refused(tmp_path: Path, change: dict[str, str], message: str) -> None:
    raw = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    raw["numbers"][0].update(change)
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ReportError, match=message):
        read_published(path)
