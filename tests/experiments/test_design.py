"""Designs: which arms there are, against closed forms and pyDOE3's own table of aliases."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from experiments.plan import load_plan
from experiments.plan.design import DesignSpec, levels_of, resolution_of, variant_of
from experiments.plan.grid_file import designed_arms
from swarmformer.errors import SpecError

Grid = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[2]
EIGHT = ["windowed", "multi_head", "routing", "gated_mlp", "layer_norm", "tied_qkv", "pyramid", "gumbel"]


def design(kind: str, factors: list[str], base: str = "base", **options: Any) -> DesignSpec:
    return DesignSpec.model_validate({"kind": kind, "base": base, "factors": factors, **options})


def signs(spec: DesignSpec) -> np.ndarray:
    return np.array([[1 if factor in on else -1 for factor in spec.factors] for on in levels_of(spec)])


def test_one_in_adds_one_factor_each() -> None:
    spec = design("one_in", ["a", "b"])
    assert [variant_of(spec, on) for on in levels_of(spec)] == ["base", "base+a", "base+b"]


def test_one_out_takes_one_factor_out_each() -> None:
    spec = design("one_out", ["a", "b"], base="all")
    assert [variant_of(spec, on) for on in levels_of(spec)] == ["all", "all-a", "all-b"]


def test_a_full_factorial_has_every_combination_once() -> None:
    spec = design("factorial", ["a", "b", "c"])
    expected = {on for size in range(4) for on in combinations("abc", size)}
    assert len(levels_of(spec)) == 8 and set(levels_of(spec)) == expected
    assert resolution_of(spec) is None


def test_sixteen_arms_tell_eight_main_effects_from_all_two_factor_interactions() -> None:
    spec = design("fractional", EIGHT)
    matrix = signs(spec)
    assert matrix.shape == (16, 8) and resolution_of(spec) == 4
    assert (matrix[0] == -1).all() and (matrix[-1] == 1).all()  # the base, and all eight
    np.testing.assert_array_equal(matrix.T @ matrix, 16 * np.eye(8))
    pairs = np.stack([matrix[:, i] * matrix[:, j] for i, j in combinations(range(8), 2)], axis=1)
    assert not (matrix.T @ pairs).any()


@pytest.mark.parametrize("grid", ["crossed_digits", "crossed_imdb"])
def test_the_crossed_grids_part_the_interactions_of_windows_from_all_others(grid: str) -> None:
    asked = yaml.safe_load((ROOT / "experiments/grids" / f"{grid}.yaml").read_text())["designs"][0]
    spec = DesignSpec.model_validate(asked)
    matrix = signs(spec)
    assert matrix.shape == (32, 8) and resolution_of(spec) == 4
    assert (matrix[0] == -1).all() and (matrix[-1] == 1).all()  # the base, and all eight
    pairs = list(combinations(range(8), 2))
    products = np.stack([matrix[:, i] * matrix[:, j] for i, j in pairs], axis=1)
    shared = products.T @ products != 0
    alone = [pair for pair, row in zip(pairs, shared, strict=True) if row.sum() == 1]
    windowed, heads, routing, norm = (
        spec.factors.index(name) for name in ("windowed", "multi_head", "routing_released", "layer_norm")
    )
    assert alone == [pair for pair in pairs if windowed in pair]
    owners = [pairs.index(tuple(sorted(pair))) for pair in combinations((heads, routing, norm), 2)]
    assert not shared[np.ix_(owners, owners)][~np.eye(3, dtype=bool)].any()


def test_the_grid_of_pairs_gives_each_of_its_three_a_contrast_of_its_own() -> None:
    asked = yaml.safe_load((ROOT / "experiments/grids/pairs_digits.yaml").read_text())["designs"][0]
    spec = DesignSpec.model_validate(asked)
    matrix = signs(spec)
    assert matrix.shape == (32, 7) and resolution_of(spec) == 4 and (matrix[0] == -1).all()
    products = {pair: matrix[:, pair[0]] * matrix[:, pair[1]] for pair in combinations(range(7), 2)}
    three = [("routing_released", "gumbel"), ("layer_norm", "tied_qkv"), ("multi_head", "pyramid")]
    for names in three:
        asked_for = tuple(sorted(map(spec.factors.index, names)))
        assert [pair for pair, product in products.items() if product @ products[asked_for]] == [asked_for]


@pytest.mark.parametrize(
    ("generators", "resolution"), [("a b c abc", 4), ("a b c ab", 3), ("a b c d abcd", 5), ("a b c -abc", 4)]
)
def test_resolution_is_the_length_of_the_shortest_word(generators: str, resolution: int) -> None:
    spec = design("fractional", [f"f{i}" for i in range(len(generators.split()))], generators=generators)
    assert resolution_of(spec) == resolution


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "one_in", "factors": ["a", "a"]}, "given twice"),
        ({"kind": "one_in", "factors": ["a"], "resolution": 4}, "are for fractional designs"),
        ({"kind": "fractional", "factors": ["a", "b", "c"], "resolution": 4, "generators": "a b ab"}, "not both"),
        ({"kind": "factorial", "factors": [f"f{i}" for i in range(11)]}, "take a fractional design"),
        ({"kind": "one_in", "factors": []}, "at least 1"),
        ({"kind": "one_in", "factors": ["a"], "when": {"b": {"norm": "layer_norm"}}}, "b: not among the factors: a"),
        (
            {"kind": "one_in", "factors": ["a", "b"], "when": {"a": {"dropout": 0.1}, "b": {"dropout": 0.2}}},
            "a and b set dropout to different values",
        ),
        ({"kind": "one_in", "factors": ["a"], "when": {"a": {"local": {"name": "x"}}}}, r"local\.name: options alone"),
    ],
)
def test_a_design_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        design(**options)


@pytest.mark.parametrize("options", [{"generators": "a b c"}, {"generators": "a b c zz"}, {"resolution": 5}])
def test_a_fraction_that_does_not_exist_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="4 factors"):
        levels_of(design("fractional", ["a", "b", "c", "d"], **options))


@pytest.mark.parametrize("count", range(3, 11))
@pytest.mark.parametrize("resolution", range(3, 8))
def test_a_fraction_has_the_resolution_that_was_asked_and_the_base_or_is_refused(count: int, resolution: int) -> None:
    spec = design("fractional", [f"f{place}" for place in range(count)], resolution=resolution)
    try:
        levels = levels_of(spec)
    except SpecError as error:
        assert "kind: factorial" in str(error)
        return
    found = resolution_of(spec)
    assert levels[0] == () and found is not None and found >= resolution


def test_a_resolution_that_is_not_reached_is_refused() -> None:
    with pytest.raises(SpecError, match="64 arms of 8 factors have 4, not 6; ask for 4, give generators"):
        levels_of(design("fractional", EIGHT, resolution=6))
    assert len(levels_of(design("fractional", EIGHT, resolution=3))) == 16


FOUR = ["multi_head", "layer_norm", "tied_qkv", "windowed"]


def test_designs_share_their_arms(tiny_grid: Grid) -> None:
    grid = tiny_grid(
        arms=["base+positions"],
        designs=[
            {"kind": "fractional", "base": "base", "factors": FOUR, "generators": "a b c abc"},
            {"kind": "one_in", "base": "base", "factors": FOUR[:1]},
        ],
    )
    plan = load_plan(grid)
    names = [arm.name for arm in plan.arms]
    assert len(names) == 8 + 1 + 1 and names[0] == "base" and names[-1] == "base+positions"
    assert plan.designs[0].resolution == 4 and plan.designs[1].levels == {
        "base": (),
        "base+multi_head": ("multi_head",),
    }
    for chosen in plan.designs:
        assert set(chosen.levels) <= set(names)


def test_a_patch_of_a_factor_lies_over_the_arms_that_have_it() -> None:
    spec = design(
        "one_out", ["windowed", "multi_head"], base="enhanced", model={"local": {"dropout": 0.2}},
        when={"windowed": {"local": {"head_width": 32}}, "multi_head": {"cluster": {"head_width": 16}}},
    )  # fmt: skip
    assert {arm.name: arm.model for arm in designed_arms(spec)} == {
        "enhanced": {"local": {"dropout": 0.2, "head_width": 32}, "cluster": {"head_width": 16}},
        "enhanced-windowed": {"local": {"dropout": 0.2}, "cluster": {"head_width": 16}},
        "enhanced-multi_head": {"local": {"dropout": 0.2, "head_width": 32}},
    }


DESIGN_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"designs": [{"kind": "one_in", "base": "base", "factors": ["windwed"]}]}, r"designs\[0\].*mean 'windowed'"),
    ({"designs": [{"kind": "one-in", "base": "base", "factors": ["windowed"]}]}, r"designs\.0\.kind"),
    ({"arms": [], "base": None}, "give arms, or designs"),
    (
        {"arms": [], "designs": [{"kind": "fractional", "base": "base", "factors": FOUR, "generators": "a b c -abc"}],
         "base": None}, "so there is no base",
    ),
    (
        {"arms": [], "designs": [
            {"kind": "one_in", "base": "base", "factors": ["windowed"]},
            {"kind": "one_in", "base": "base", "factors": ["windowed"], "model": {"final_dropout": 0.5}},
        ]}, r"designs\[1\].*same patches",
    ),
    ({"primary": {"metric": "accuracy", "margin": 0}}, r"primary\.margin"),
    ({"matched": [{"arm": "base", "control": "other"}]}, r"matched\[0\]: 'other' is not one of the arms"),
    ({"matched": [{"arm": "base+multi_head", "control": "base"}], "arms": ["base", "base+multi_head"]},
     r"times the parameters of 'base', beyond the tolerance of 0.02"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), DESIGN_FAULTS, ids=[message for _, message in DESIGN_FAULTS])
def test_faults_name_file_and_key(tiny_grid: Grid, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load_plan(tiny_grid(**changes))


def test_a_matched_pair_says_its_ratio(tiny_grid: Grid) -> None:
    pairs = [
        {"arm": "base+multi_head", "control": "base+added_mlp", "quantity": "parameters", "tolerance": 0.02},
        {"arm": "base+multi_head", "control": "base", "quantity": "seconds", "tolerance": 0.5},
    ]
    plan = load_plan(tiny_grid(arms=["base", "base+multi_head", "base+added_mlp"], matched=pairs))
    counted = {arm.name: arm.parameters.without_embedding for arm in plan.arms}
    expected = counted["base+multi_head"] / counted["base+added_mlp"]
    assert [pair.ratio for pair in plan.matched] == [expected, None]
    assert abs(expected - 1) <= 0.02


@pytest.mark.parametrize("quantity", ["parameters", "flops"])
def test_a_ratio_is_of_the_arm_to_its_control(tiny_grid: Grid, quantity: str) -> None:
    """A layer more is more than the control has, whichever is counted."""
    deep = {"name": "two", "variant": "base", "model": {"dims": {"num_layers": 2}}}
    pair = {"arm": "two", "control": "base", "quantity": quantity, "tolerance": 2.0}
    plan = load_plan(tiny_grid(arms=["base", deep], matched=[pair]))
    control, arm = ((a.parameters.without_embedding, a.flops.forward)[quantity == "flops"] for a in plan.arms)
    assert plan.matched[0].ratio == arm / control > 1.5
