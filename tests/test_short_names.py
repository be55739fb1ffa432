"""The section ``train`` as people write it: short, long, in layers, with stages."""

from __future__ import annotations

from typing import Any

import pytest

from swarmformer import registry
from swarmformer.errors import SpecError
from swarmformer.schema import default_options
from swarmformer.spec import TrainSpec
from swarmformer.variants import resolve_run
from tests.training.own import DropTokens, Momentum, Pretraining, RDrop, named

TASK = {"data": {"task": {"name": "listops", "size": "lite"}}}


def laid(*layers: dict[str, Any]) -> TrainSpec:
    """``original_small``, which gives lr and weight_decay in short, with sections laid over it in order."""
    overrides = [({"train": layer}, f"file {number}") for number, layer in enumerate(layers, 1)]
    return resolve_run("original_small", [(TASK, "test"), *overrides]).train


def test_short_and_long_mean_the_same_and_are_stored_long() -> None:
    short, long = laid({"lr": 0.1, "label_smoothing": 0.2}), laid(
        {"optimiser": {"lr": 0.1}, "objective": {"name": "cross_entropy", "label_smoothing": 0.2}}
    )  # fmt: skip
    assert short == long == TrainSpec.from_dict(short.to_dict())
    usual = default_options(registry.get("optimiser", "adamw"))
    assert short.to_dict()["optimiser"] == {"name": "adamw", **usual, "lr": 0.1, "weight_decay": 0.0541}
    assert usual["schedule"] == "cosine" and usual["beta1"] == 0.9
    assert "lr" not in short.to_dict()


@pytest.mark.parametrize("forms", [(0, 1), (1, 0), (0, 0), (1, 1)], ids=str)
def test_the_later_layer_counts_in_whatever_form(forms: tuple[int, int]) -> None:
    layers = [({"lr": rate}, {"optimiser": {"lr": rate}})[form] for rate, form in zip((0.1, 0.2), forms, strict=True)]
    assert laid(*layers).optimiser.options["lr"] == 0.2


def test_another_ingredient_leaves_the_options_of_the_one_before_behind() -> None:
    train = laid({"optimiser": named(Momentum)})
    assert train.optimiser.options == {"lr": 0.1, "shrink": 0.01}
    again = laid({"optimiser": {"name": named(Momentum), "lr": 0.3}}, {"shrink": 0.5}, {"optimiser": "adamw"})
    assert again.optimiser == TrainSpec.from_dict({}).optimiser
    assert laid({"optimiser": named(Momentum)}, {"lr": 0.3}).optimiser.options == {"lr": 0.3, "shrink": 0.01}


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (
            {"lr": 0.1, "optimiser": {"lr": 0.2}},
            r"file 1: train\.lr and file 1: train\.optimiser\.lr: one option, two values; leave one of them out",
        ),
        (
            {"augmentation": named(DropTokens), "objective": f"{__name__}:Sharing", "share": 1.0},
            r"file 1: train\.share: of which ingredient\? Write train\.objective\.share or train\.augmentation\.share",
        ),
        ({"optimiser": "adam"}, r"file 1: train\.optimiser: unknown optimiser 'adam'\. Did you mean 'adamw'"),
        ({"optimiser": 3}, r"file 1: train\.optimiser: expected a mapping of options, got 3"),
        ({"optimiser": {"lrr": 0.1}}, r"file 1: train\.optimiser\.lrr: unknown option\. Did you mean 'lr'"),
        ({"lrr": 0.1}, r"file 1: train\.lrr: unknown option\. Did you mean 'lr'"),
        ({"beta1": 0.5, "optimiser": named(Momentum)}, r"file 1: train\.beta1: unknown option"),
        ({"stages": []}, r"file 1: train\.stages: expected a list, of .*supervised.*; got \[\]"),
        ({"stages": "supervised"}, r"file 1: train\.stages: expected a list"),
        ({"stages": [{"epochs": 1}]}, r"file 1: train\.stages\.0: needs a 'name'; available: .*supervised"),
        ({"stages": ["supervisd"]}, r"file 1: train\.stages\.0: unknown stage 'supervisd'\. Did you mean 'supervised'"),
        (
            {"stages": ["supervised", {"name": "supervised", "epoch": 1}]},
            r"file 1: train\.stages\.1\.epoch: unknown option\. Did you mean 'epochs'",
        ),
        ({"stages": [{"name": "supervised", "lr": -1.0}]}, r"file 1: train\.stages\.0\.optimiser\.lr: .*greater than"),
        ({"stages": [{"name": "supervised", "stages": []}]}, r"file 1: train\.stages\.0\.stages: a stage has no"),
    ],
    ids=str,
)  # fmt: skip
def test_faults_name_the_file_the_key_and_what_to_do(train: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        laid(train)


class Sharing(RDrop):
    """Has an option that another ingredient has too."""

    def __init__(self, dims: Any, *, share: float = 0.5) -> None:
        super().__init__(dims)


def test_options_that_an_ingredient_refuses_are_found_when_the_run_is_planned() -> None:
    with pytest.raises(SpecError, match=r"file 1: train\.objective: no half shares"):
        laid({"objective": f"{__name__}:Refusing"})


class Refusing(RDrop):
    """Refuses its own default."""

    def __init__(self, dims: Any, *, share: float = 0.5) -> None:
        raise ValueError("no half shares")


# Stages.


def test_a_stage_keeps_what_it_changes_and_sees_the_rest() -> None:
    stage = {"name": named(Pretraining), "epochs": 3, "lr": 0.1, "weight_decay": 0.0541, "objective": named(RDrop)}
    train = laid({"stages": [stage, "supervised"], "weight": 2.0} | {"objective": named(RDrop)})
    first, second = train.stages
    assert first.changes == {"epochs": 3, "optimiser": {"lr": 0.1}} and second.changes == {}
    own = train.of_stage(first)
    assert (own.epochs, own.batch_size, own.optimiser.options["lr"]) == (3, 96, 0.1)
    assert own.objective.options == {"weight": 2.0}
    assert train.of_stage(second).to_dict() == {**train.to_dict(), "stages": [{"name": "supervised", "by": "accuracy"}]}
    assert TrainSpec.from_dict(train.to_dict()) == train


def key(train: dict[str, Any]) -> str:
    return resolve_run("base", [(TASK, "test"), ({"train": train}, "test")]).run_key


def test_the_run_key_holds_what_departs_in_ingredients_and_stages() -> None:
    plain = key({})
    same = ({"stages": ["supervised"]}, {"stages": [{"name": "supervised", "label_smoothing": 0.0}]},
            {"objective": "cross_entropy"}, {"augmentation": {"name": "none"}},
            {"stages": [{"name": "supervised", "checkpoint_seconds": 1.0}]})  # fmt: skip
    assert {key(train) for train in same} == {plain}
    other: tuple[dict[str, Any], ...] = (
        {"stages": ["supervised"] * 2}, {"stages": [{"name": "supervised", "lr": 0.1}, "supervised"]}, {"lr": 0.1},
        {"objective": named(RDrop)}, {"objective": {"name": named(RDrop), "weight": 2.0}},
        {"stages": ["supervised", {"name": "supervised", "objective": named(RDrop)}]},
        {"augmentation": named(DropTokens)},
        {"optimiser": named(Momentum)}, {"stages": [named(Pretraining), "supervised"]},
    )  # fmt: skip
    assert len({plain, *(key(train) for train in other)}) == len(other) + 1


def test_a_raised_version_of_an_ingredient_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    train = {"stages": [{"name": "supervised", "objective": named(RDrop)}, "supervised"]}
    before = key(train)
    monkeypatch.setattr(RDrop, "VERSION", 2)
    assert key(train) != before
