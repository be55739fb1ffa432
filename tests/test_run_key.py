"""What a run's key follows, and what it does not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from swarmformer import registry
from swarmformer.components.local.identity import Identity
from swarmformer.contracts import Dims, Strict
from swarmformer.run_key import content_of
from swarmformer.schema import default_options
from swarmformer.sections.budget import TrainBudget
from swarmformer.spec import ComponentSpec, ModelSpec, RunSpec, TrainSpec, nowhere
from tests.helpers import listops_run as run


@pytest.mark.parametrize("patch", [{}, {"train": {"checkpoint_seconds": 1.0}}])
@pytest.mark.parametrize("seed", [0, 7])
def test_run_key_ignores_what_cannot_change_a_result(seed: int, patch: dict[str, Any]) -> None:
    spec = run("base", patch, seed).model_copy(update={"variant": "another name"})
    assert spec.run_key == run("base").run_key
    assert re.fullmatch("[0-9a-f]{16}", spec.run_key)


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
REFUSED_WITHOUT: dict[str, dict[str, Any]] = {"weigh": {"apart": True}}


@pytest.mark.parametrize("field", sorted({*BUDGET, *SHORT} - TrainSpec.OUTSIDE_KEY))
def test_run_key_follows_every_field_of_training(field: str) -> None:
    beside = NEEDED.get(field, {}) | REFUSED_WITHOUT.get(field, {})
    changed = run(patch={"train": {**beside, field: other_value({**BUDGET, **SHORT}[field], field)}})
    assert changed.run_key != run(patch={"train": beside}).run_key


@pytest.mark.parametrize("field", NEEDED)
def test_what_does_nothing_without_another_key_says_nothing_without_it(field: str) -> None:
    other = {field: other_value(BUDGET[field], field)}
    assert run(patch={"train": other}).run_key == run().run_key
    stages = {"stages": ["masked_tokens", {"name": "supervised", **NEEDED[field]}]}
    assert run(patch={"train": {**stages, **other}}).run_key != run(patch={"train": stages}).run_key


@pytest.mark.parametrize(
    ("section", "stage", "alike"),
    [
        ({"epochs": 3}, {"epochs": 3}, {}),
        ({"lr": 0.01, "ema_decay": 0.9}, {"lr": 0.01}, {"ema_decay": 0.9}),
        ({"objective": "r_drop", "weight": 3.0}, {"objective": "r_drop", "weight": 3.0}, {}),
        ({"precision": "fp32"}, {"precision": "fp32"}, {"precision": "bf16"}),
        ({}, {"min_epochs": 3}, {}),
        ({}, {}, {}),
    ],
    ids=str,
)
def test_the_only_stage_and_the_section_say_the_same(
    section: dict[str, Any], stage: dict[str, Any], alike: dict[str, Any]
) -> None:
    """``alike``: what the section says beside the stage; the stage's own word counts."""
    staged = run(patch={"train": {**alike, "stages": [{"name": "supervised", **stage}]}})
    assert staged.run_key == run(patch={"train": {**alike, **section}}).run_key


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
