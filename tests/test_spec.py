"""Specifications: what ships resolves, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from swarmformer import load_variant
from swarmformer.errors import SpecError
from swarmformer.spec import ModelSpec, RunSpec
from swarmformer.variants import list_variants, load_factors, resolve_run
from tests.helpers import LISTOPS
from tests.helpers import listops_run as run

# Everything that ships.


@pytest.mark.parametrize("variant", list_variants())
def test_every_shipped_variant_resolves_and_builds(variant: str) -> None:
    spec = run(variant)
    assert (spec.model.dims.num_classes, spec.variant) == (10, variant)
    assert load_variant(variant).description


@pytest.mark.parametrize("factor", load_factors())
def test_every_factor_changes_the_model_alone(factor: str) -> None:
    base, changed = run("base"), run(f"base+{factor}")
    assert (base.data, base.train) == (changed.data, changed.train)
    assert base.model != changed.model and base.run_key != changed.run_key


@pytest.mark.parametrize("variant", [*list_variants(), "base+windowed+tied_qkv"])
def test_to_dict_and_back(variant: str) -> None:
    spec = run(variant)
    again = RunSpec.from_dict(yaml.safe_load(yaml.safe_dump(spec.to_dict())))
    assert again == spec and again.run_key == spec.run_key
    assert ModelSpec.from_dict(spec.model.to_dict()) == spec.model


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"data": {"split_seed": -1}}, r"data\.split_seed"),
        ({"data": {"augment": {"sentence_shuffle": {"name": "recombination"}}}},
         r"data\.augment\.sentence_shuffle\.name: the key above it is the name"),
        ({"model": {"name": 5}}, r"model\.name: 5 is no name; available: .*swarmformer"),
        ({"model": {"name": ["cnn"]}}, r"model\.name: \['cnn'\] is no name"),
    ],
)  # fmt: skip
def test_values_that_no_run_can_have_are_refused(patch: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        run("base", patch)


# Text augmentations.


TEXTS = {"data": {"task": {"name": "imdb", "limit": 50}}}


def texts_run(augment: Any, **data: Any) -> RunSpec:
    return resolve_run("base", [(TEXTS, "test"), ({"data": {"augment": augment, **data}}, "command line")])


def test_text_augmentations_are_part_of_the_key_in_any_order_and_come_back() -> None:
    plain, both = texts_run({}), texts_run({"synonyms": {"p": 0.2}, "recombination": {}})
    turned = texts_run({"recombination": {"share": 0.25}, "synonyms": {"p": 0.2}})
    keys = {spec.run_key for spec in (plain, both, texts_run({"synonyms": {}}), texts_run({"synonyms": {"p": 0.2}}))}
    assert both.run_key == turned.run_key and len(keys) == 4
    assert RunSpec.from_dict(yaml.safe_load(yaml.safe_dump(both.to_dict()))) == both
    assert texts_run({"synonyms": None}).run_key == texts_run(None).run_key == plain.run_key


@pytest.mark.parametrize(
    ("augment", "words"),
    [
        ({"synonym": {}}, r"data.augment.synonym: unknown text_augmentation 'synonym'. Did you mean 'synonyms'"),
        ({"synonyms": {"word_q": 1}}, r"data.augment.synonyms.word_q: unknown option.*word_p"),
        ({"synonyms": {"p": 2.0}}, r"data.augment.synonyms.p: .*less than or equal to 1"),
        ({"synonyms": True}, r"data.augment.synonyms: expected a mapping of options, got True"),
        (["synonyms"], r"data.augment: expected a mapping of options"),
    ],
)
def test_a_wrong_text_augmentation_is_refused(augment: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        texts_run(augment)


def test_a_task_without_text_refuses_text_augmentations_when_it_is_planned() -> None:
    with pytest.raises(SpecError, match=r"command line: data.augment: task 'listops' has tokens of its own"):
        run(patch={"data": {"augment": {"synonyms": {}}}})


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_cannot_take_is_refused(seed: int) -> None:
    with pytest.raises(SpecError, match="seed"):
        run(seed=seed)
    run(seed=2**32 - 1)


# Faults, each answered with place, key and nearest name.


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"model": {"local": {"windw": 3}}}, r"cli: model\.local\.windw: unknown option.*Available: T_local"),
        ({"model": {"local": {"T_lokal": 3}}}, r"cli: model\.local\.T_lokal: unknown option.*Did you mean 'T_local'"),
        ({"model": {"local": "windowed"}}, r"cli: model\.local: unknown local 'windowed'.*'windowed_attention'"),
        ({"model": {"locla": {"window": 3}}}, r"cli: model\.locla: unknown slot or option.*Did you mean 'local'"),
        ({"model": {"locla": "identity"}}, r"cli: model\.locla: unknown slot or option.*Did you mean 'local'"),
        ({"model": {"final_drop": 0.1}}, r"cli: model\.final_drop: unknown slot.*'final_dropout'"),
        ({"model": {"name": "swarmfomer"}}, r"cli: model\.name: unknown model 'swarmfomer'.*'swarmformer'"),
        ({"model": {"dims": {"d_modle": 8}}}, r"cli: model\.dims\.d_modle: unknown option.*'d_model'"),
        ({"model": {"dims": {"d_model": 0}}}, r"cli: model\.dims\.d_model: .*greater than 0, got 0"),
        ({"model": {"dims": {"d_model": True}}}, r"cli: model\.dims\.d_model: .*integer, got True"),
        ({"model": {"dims": 3}}, r"cli: model\.dims: expected a mapping of options, got 3"),
        ({"model": {"local": None}}, r"cli: model\.local: expected a mapping of options, got None"),
        ({"model": {"local": {"masked": "yes"}}}, r"cli: model\.local\.masked: .*boolean, got 'yes'"),
        ({"model": {"local": {"dropout": float("nan")}}}, r"cli: model\.local\.dropout: nan .*cannot be stored"),
        ({"model": {"cluster": {"tie": "all"}}}, r"cli: model\.cluster\.tie: .*'qkv_pure'.*got 'all'"),
        ({"model": {"cluster": {"heads": 3}}}, r"cli: model\.cluster\.heads: .*does not divide d_model = 128"),
        ({"model": {"cluster": {"heads": True}}}, r"cli: model\.cluster\.heads: .*integer, got True"),
        ({"train": {"lr": "1e-3"}}, r"cli: train\.optimiser\.lr: .*'1e-3' \(text; YAML reads.*0\.001 or 1\.0e-3\)"),
        ({"train": {"epochs": 2.5}}, r"cli: train\.epochs: .*integer, got 2\.5"),
        ({"train": {"compile": 1}}, r"cli: train\.compile: .*true, false or 'auto', got 1"),
        ({"train": {"epoch": 2}}, r"cli: train\.epoch: unknown option.*'epochs'"),
        ({"data": {"bucket": 2}}, r"cli: data\.bucket: unknown option.*'buckets'"),
        ({"data": {"buckets": 0}}, r"cli: data\.buckets: .*greater than or equal to 1"),
        ({"data": {"task": "listop"}}, r"cli: data\.task: unknown task 'listop'.*'listops'"),
        ({"trian": {"lr": 0.1}}, r"cli: trian: unknown section\. Did you mean 'train'"),
        ({"train": 3}, r"cli: train: expected a mapping"),
        ({"model": {"dims": {"num_classes": 3}}}, r"cli: model\.dims\.num_classes: 3, but task 'listops' has 10"),
    ],
    ids=str,
)
def test_faults_name_place_key_and_nearest_name(patch: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        resolve_run("base", [(LISTOPS, "test"), (patch, "cli")])


def test_several_faults_are_told_at_once() -> None:
    with pytest.raises(SpecError, match=r"(?s)train\.epochs: .*train\.optimiser\.lr: "):
        run(patch={"train": {"lr": -1.0, "epochs": 0}})


def test_a_run_without_a_task_is_refused() -> None:
    with pytest.raises(SpecError, match=r"names no task: set data\.task \(available: .*imdb.*listops"):
        resolve_run("base")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": -1}, "seed: .*greater than or equal to 0"),
        ({"seed": "0"}, "seed: .*integer"),
        ({"variant": 3}, "variant: .*string"),
        ({"extra": {}}, "extra: unknown option"),
        ({"model": None}, "model: expected a mapping"),
        ({"train": ...}, "train: missing"),
        ({"seed": ...}, "seed: missing"),
    ],
    ids=str,
)
def test_a_stored_run_that_is_damaged_is_refused(change: dict[str, Any], words: str) -> None:
    stored = {key: value for key, value in {**run().to_dict(), **change}.items() if value is not ...}
    with pytest.raises(SpecError, match=f"config.json: {words}"):
        RunSpec.from_dict(stored, lambda path: "config.json: ")
