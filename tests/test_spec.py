"""Specifications: what is refused and in which words, and what a run key depends on."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from swarmformer import load_variant, registry
from swarmformer.components.local.identity import Identity
from swarmformer.contracts import Dims, Strict
from swarmformer.errors import SpecError
from swarmformer.run_key import content_of
from swarmformer.schema import default_options
from swarmformer.sections.budget import TrainBudget
from swarmformer.spec import ComponentSpec, ModelSpec, RunSpec, TrainSpec, nowhere
from swarmformer.variants import list_variants, load_factors, resolve_run

TASK = {"data": {"task": {"name": "listops", "size": "lite"}}}


def run(variant: str = "base", patch: dict[str, Any] | None = None, seed: int = 0) -> RunSpec:
    return resolve_run(variant, [(TASK, "test"), (patch or {}, "command line")], seed)


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


# Run keys.


@pytest.mark.parametrize("patch", [{}, {"train": {"checkpoint_seconds": 1.0}}])
@pytest.mark.parametrize("seed", [0, 7])
def test_run_key_ignores_what_cannot_change_a_result(seed: int, patch: dict[str, Any]) -> None:
    spec = run("base", patch, seed).model_copy(update={"variant": "another name"})
    assert spec.run_key == run("base").run_key
    assert len(spec.run_key) == 16 and int(spec.run_key, 16) >= 0


OTHER = {"schedule": "constant", "precision": "bf16", "compile": True}


def other_value(value: Any, field: str) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return OTHER[field] if isinstance(value, str) else (value + 0.01 if value < 0.5 else value - 0.01)


SHORT = {key: value for part in TrainSpec.from_dict({}).to_dict().values() if isinstance(part, dict)
         for key, value in part.items() if key != "name"}  # fmt: skip
BUDGET = {key: value for key, value in TrainSpec.from_dict({}).to_dict().items() if key in TrainBudget.model_fields}


NEEDED: dict[str, dict[str, Any]] = {"min_epochs": {"patience": 2}, "ema_warmup": {"ema_decay": 0.9}}


@pytest.mark.parametrize("field", sorted({*BUDGET, *SHORT} - TrainSpec.OUTSIDE_KEY))
def test_run_key_follows_every_field_of_training(field: str) -> None:
    beside = NEEDED.get(field, {})
    changed = run(patch={"train": {**beside, field: other_value({**BUDGET, **SHORT}[field], field)}})
    assert changed.run_key != run(patch={"train": beside}).run_key


@pytest.mark.parametrize("field", NEEDED)
def test_what_does_nothing_without_another_key_says_nothing_without_it(field: str) -> None:
    other = {field: other_value(BUDGET[field], field)}
    assert run(patch={"train": other}).run_key == run().run_key
    stages = {"stages": ["masked_tokens", {"name": "supervised", **NEEDED[field]}]}
    assert run(patch={"train": {**stages, **other}}).run_key != run(patch={"train": stages}).run_key


@pytest.mark.parametrize(
    "patch",
    [
        {"data": {"split_seed": 1}},
        {"data": {"split_seed": "run"}},
        {"data": {"duplicates": "drop"}},
        {"data": {"buckets": 2}},
        {"data": {"pad_to_max": True}},
        {"data": {"tokenizer": "other.json"}},
        {"data": {"validation_fraction": 0.2}},
        {"data": {"task": {"seed": 1}}},
        {"model": {"final_dropout": 0.1}},
        {"model": {"dims": {"num_layers": 2}}},
        {"model": {"local": {"T_local": 2}}},
        {"model": {"norm": "layer_norm"}},
    ],
    ids=str,
)
def test_run_key_follows_data_and_model(patch: dict[str, Any]) -> None:
    assert run(patch=patch).run_key != run().run_key


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


def test_the_split_of_the_run_follows_its_seed() -> None:
    fixed, redrawn = run(seed=7).data, run(patch={"data": {"split_seed": "run"}}).data
    assert (fixed.draw(7)["split_seed"], fixed.draw(7)["redrawn"]) == (0, False)
    assert (redrawn.draw(7)["split_seed"], redrawn.draw(7)["redrawn"]) == (7, True)


def test_run_key_does_not_depend_on_the_way_it_was_written() -> None:
    """Shorthand, an option given at its default, an integer for a float: the same run."""
    written = {"model": {"norm": {"name": "none"}, "local": {"masked": True}}, "train": {"clip_norm": 1}}
    assert run(patch=written).run_key == run().run_key


@pytest.mark.parametrize("label_smoothing", [0, 0.0, -0.0])
def test_a_default_is_left_out_of_the_key_however_it_is_written(label_smoothing: float) -> None:
    assert run(patch={"train": {"label_smoothing": label_smoothing}}).run_key == run().run_key


def test_number_of_buckets_says_nothing_where_all_is_padded_to_the_maximum() -> None:
    key = run(patch={"data": {"pad_to_max": True}}).run_key
    assert run(patch={"data": {"pad_to_max": True, "buckets": 2}}).run_key == key
    assert run(patch={"data": {"buckets": 1}}).run_key == key


def test_the_order_of_keys_does_not_matter() -> None:
    def turned(value: Any) -> Any:
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    spec = run("enhanced")
    assert RunSpec.from_dict(turned(spec.to_dict())).run_key == spec.run_key


def test_a_path_to_a_registered_class_is_its_name() -> None:
    path = f"{Identity.__module__}:{Identity.__qualname__}"
    assert run(patch={"model": {"local": path}}).run_key == run(patch={"model": {"local": "identity"}}).run_key


def test_a_new_option_leaves_the_key_until_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run(patch={"model": {"local": "identity"}}).run_key

    def with_option(self: Identity, dims: Dims, *, later: float = 0.5) -> None: ...

    monkeypatch.setattr(Identity, "__init__", with_option)
    default_options.cache_clear()
    try:
        keys = [spec_key(Identity, later=later) for later in (0.5, 0.25)]
    finally:
        monkeypatch.undo()
        default_options.cache_clear()
    assert keys[0] == before != keys[1]


def spec_key(cls: type, **options: Any) -> str:
    """The key of base with another ``local``, without building it."""
    spec = run()
    part = ComponentSpec.from_dict("local", {"name": cls.registered_name, **options}, (), nowhere)  # type: ignore[attr-defined]
    model = spec.model.model_copy(update={"slots": {**spec.model.slots, "local": part}})
    return spec.model_copy(update={"model": model}).run_key


@pytest.mark.parametrize(
    ("slot", "name"), [("local", "rolling_shift"), ("norm", "none"), ("model", "swarmformer"), ("task", "listops")]
)
def test_a_raised_version_changes_the_key(slot: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, other = run().run_key, run("bag_of_embeddings").run_key
    monkeypatch.setattr(registry.get(slot, name), "VERSION", 2)
    assert run().run_key != before
    assert (run("bag_of_embeddings").run_key == other) == (slot != "task")


def test_a_new_slot_with_a_default_leaves_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, family = run(), registry.get("model", "swarmformer")
    before, filled = spec.run_key, spec.model.slots["norm"]
    without = {slot: part for slot, part in spec.model.to_dict().items() if slot != "norm"}
    monkeypatch.setattr(family, "slots", tuple(slot for slot in family.slots if slot != "norm"))  # type: ignore[attr-defined]
    old = spec.model_copy(update={"model": ModelSpec.from_dict(without)})
    monkeypatch.undo()
    monkeypatch.setattr(family, "default_slots", {"norm": "none"})
    new = spec.model_copy(update={"model": ModelSpec.from_dict(without)})
    key = old.run_key
    assert new.run_key == spec.run_key == key != before
    assert new.model.slots["norm"] == filled
    changed = ModelSpec.from_dict({**without, "norm": "layer_norm"})
    assert spec.model_copy(update={"model": changed}).run_key != key
    monkeypatch.setattr(registry.get("norm", "none"), "VERSION", 2)
    assert new.run_key != key


class Ingredient(Strict):
    """As training ingredients are declared: a part with a default, below train."""

    objective: ComponentSpec = ComponentSpec(slot="pyramid", name="constant")
    rate: float = 0.5


def test_a_default_part_below_a_section_is_left_out_until_its_version_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert content_of(Ingredient()) == {}
    other = ComponentSpec(slot="pyramid", name="halving")
    assert content_of(Ingredient(objective=other, rate=1.0)) == {"objective": {"name": "halving"}, "rate": 1.0}
    monkeypatch.setattr(registry.get("pyramid", "constant"), "VERSION", 3)
    assert content_of(Ingredient()) == {"objective": {"name": "constant", "version": 3}}


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
        resolve_run("base", [(TASK, "test"), (patch, "cli")])


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
