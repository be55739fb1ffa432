"""Data of the pictures against hand computation, and what they leave out."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.errors import ReportError
from reports.evidence import Evidence, gather
from reports.pictures import PICTURES
from reports.statistics.effects import factorial_effects
from reports.statistics.verdict import verdict
from tests.reports import synthetic_curves as curves
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_design import FACTORS, levels_of, write_design

EFFECTS = {("windowed",): 0.03, ("pyramid",): -0.02, ("windowed", "routing"): 0.015}


def data(kind: str, *grids: Path, mix: tuple[str, ...] = (), **options: object) -> pd.DataFrame:
    return PICTURES[kind].data(gather(grids, mix), options)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Base, a dearer and better arm, a dearer and worse one, one without runs; latencies of two; a floor."""
    accuracies = {"base": {0: 0.3, 1: 0.5}, "better": {}, "worse": {}, "absent": {}}
    grid = runs.write_grid(tmp_path / "small", accuracies)
    for arm, by_seed, flops in (("better", {0: 0.6, 1: 0.7}, 20_000_000), ("worse", {0: 0.35}, 30_000_000)):
        for seed, accuracy in by_seed.items():
            runs.write_cell(grid, runs.result(arm, seed, accuracy, flops={"forward": flops, "length": 64}))
    runs.write(grid / "costs.json", runs.costs(runs.latency("base", 1, 0.004), runs.latency("better", 1, 0.003)))
    runs.write(grid / "floors.json", runs.floors("majority"))
    return grid


def test_the_pareto_data_are_means_intervals_and_costs(small: Path) -> None:
    found = data("pareto", small, against=["flops", "latency"])
    assert list(found["against"].unique()) == ["flops", "latency"]
    flops, latency = (side.set_index("name") for _, side in found.groupby("against", sort=False))
    low, high = stats.ttest_1samp([0.3, 0.5], 0).confidence_interval(0.95)
    assert flops.loc["base", ["accuracy", "low", "high"]].tolist() == pytest.approx([0.4, low, high])
    assert flops.loc[["base", "better", "worse"], "cost"].tolist() == [12_345_678, 20_000_000, 30_000_000]
    assert flops.loc[["base", "better", "worse", "absent"], "on_front"].tolist() == [True, True, False, False]
    assert flops.loc["absent", "missing"] == "no finished run" and pd.isna(flops.loc["absent", "cost"])
    assert pd.isna(flops.loc["worse", "low"]) and flops.loc["worse", "n"] == 1
    assert latency.loc[["base", "better"], "cost"].tolist() == [0.004, 0.003]
    assert latency.loc[["base", "better"], "on_front"].tolist() == [False, True]  # quicker and better
    assert latency.loc["worse", "missing"] == "not timed"
    assert flops.loc["majority", ["kind", "accuracy"]].tolist() == ["floor", 0.17]


def test_unlike_runs_are_left_out_and_counted(small: Path) -> None:
    before = data("pareto", small).set_index("name")
    runs.write_cell(small, runs.result("absent", 0, 0.9, code_revision="1234567"))
    found = data("pareto", small).set_index("name")
    assert (found["left_out"] == 1).all() and found.loc["absent", "missing"] == "runs left out"
    rest = [name for name in found.index if name != "absent"]
    pd.testing.assert_frame_equal(found.loc[rest].drop(columns="left_out"), before.loc[rest].drop(columns="left_out"))
    mixed = data("pareto", small, mix=("code",)).set_index("name")
    assert mixed.loc["absent", "accuracy"] == 0.9 and (mixed["left_out"] == 0).all()


def cells_of(grid: Path) -> pd.DataFrame:
    return gather([grid]).runs[["arm", "seed", "accuracy"]].rename(columns={"accuracy": "value"})


def test_the_effects_are_those_of_the_statistics(tmp_path: Path) -> None:
    grid = write_design(tmp_path / "fraction", EFFECTS)
    expected = factorial_effects(cells_of(grid), levels_of(FACTORS), FACTORS, order=2)
    found = data("effects", grid)
    assert len(found) == len(expected) == 8 + 7
    for row, effect in zip(found.itertuples(), expected, strict=True):
        assert row.term == " × ".join(effect.term)
        assert (row.estimate, row.low, row.high) == (effect.estimate, effect.low, effect.high)
        assert row.verdict == verdict(effect.low, effect.high, 0.003)
    shared = found.set_index("term").loc["windowed × routing", "aliases"]
    assert shared == "multi_head × layer_norm = gated_mlp × pyramid = tied_qkv × gumbel"
    assert found.loc[found["order"] == 1, "aliases"].isna().all()
    assert len(data("effects", grid, order=1)) == 8


def test_the_map_of_a_full_design_is_means_of_signs(tmp_path: Path) -> None:
    factors = FACTORS[:3]
    grid = write_design(tmp_path / "full", EFFECTS, factors=factors, resolution=None)
    found = data("interactions", grid).set_index(["column", "row"])
    cells, levels = cells_of(grid), levels_of(factors, None)
    pairs = [*combinations(factors, 2), *((factor, factor) for factor in factors)]
    assert set(found.index) == set(pairs) and found["group"].isna().all()
    for pair in pairs:
        sign = cells["arm"].map({arm: np.prod([1 if f in on else -1 for f in set(pair)]) for arm, on in levels.items()})
        difference = cells.loc[sign == 1, "value"].mean() - cells.loc[sign == -1, "value"].mean()
        assert found.loc[pair, "estimate"] == pytest.approx(difference)


def test_aliased_cells_share_value_and_letter(tmp_path: Path) -> None:
    found = data("interactions", write_design(tmp_path / "fraction", EFFECTS))
    off = found[found["row"] != found["column"]]
    assert len(off) == 28 and off["group"].nunique() == 7 and (off["shared_by"] == 4).all()
    assert (off.groupby("group")["estimate"].nunique() == 1).all()
    assert found.loc[found["row"] == found["column"], "group"].isna().all()


def test_a_negated_alias_has_the_value_turned_over(tmp_path: Path) -> None:
    """Half of a 2^3 with C = −AB: the column of AB is that of C, negated."""
    factors = ("a", "b", "c")
    levels = {arm: on for arm, on in levels_of(factors, None).items() if len(on) % 2 == 0}
    grid = tmp_path / "half"
    record = runs.plan(list(levels), [0, 1], grid="half")
    on = {arm: list(names) for arm, names in levels.items()}
    record["designs"] = [{"kind": "fractional", "base": "base", "factors": list(factors), "levels": on}]
    runs.write(grid / "plan.json", record)
    for seed in (0, 1):
        for arm, names in levels.items():
            runs.write_cell(grid, runs.result(arm, seed, 0.5 + (0.1 if "c" in names else 0.0) + 0.01 * seed))
    found = data("interactions", grid).set_index(["column", "row"])
    assert found.loc[("c", "c"), "estimate"] == pytest.approx(0.1)
    assert found.loc[("a", "b"), "estimate"] == pytest.approx(-0.1)
    assert found.loc[("a", "b"), "group"] == found.loc[("c", "c"), "group"]


@pytest.fixture
def curved(tmp_path: Path) -> Path:
    """Two arms with curves over three seeds, one of them routed; seed 2 of it was stopped and has an extra line."""
    grid = runs.write_grid(tmp_path / "curved", {a: {0: 0.5, 1: 0.6, 2: 0.55} for a in ("base", "routed")}, [0, 1, 2])
    for arm in ("base", "routed"):
        for seed, shift in enumerate((0.0, 0.03, 0.06)):
            lines = curves.plain_curve(shift, routed=arm == "routed")
            extra = [curves.train_line(30, 9.0, layer0_dead_share=0.9)] if (arm, seed) == ("routed", 2) else []
            curves.write_curve(grid / runs.cell_name(arm, seed), [*lines, *extra])
    return grid


def test_curves_are_means_and_bands_over_steps_that_all_seeds_have(curved: Path) -> None:
    found = data("curves", curved, arms=["routed"]).set_index(["measure", "step"])
    assert found.loc["training loss"].index.tolist() == [20, 40, 60, 80]
    last = found.loc[("validation accuracy", 80)]
    assert last[["mean", "low", "high"]].tolist() == pytest.approx([0.63, 0.6, 0.66])
    assert (last["n"], last["epoch"]) == (3, 2)
    interval = data("curves", curved, arms=["routed"], band="interval").set_index(["measure", "step"])
    low, high = stats.ttest_1samp([1.8, 1.83, 1.86], 0).confidence_interval(0.95)
    assert interval.loc[("training loss", 20), ["low", "high"]].tolist() == pytest.approx([low, high])


def test_a_curve_that_is_gone_or_broken_is_counted(curved: Path) -> None:
    (curved / "routed-0" / "curve.jsonl").unlink()
    (curved / "routed-1" / "curve.jsonl").write_text("{\n{}\n", encoding="utf-8")
    found = data("curves", curved, arms=["base", "routed"])
    routed, base = (found[found["arm"] == arm] for arm in ("routed", "base"))
    assert set(routed["n"]) == {1} and set(routed["runs"]) == {3} and routed["low"].isna().all()
    assert set(base["n"]) == {3}


def test_arms_of_the_curves_are_chosen_by_their_roles(tmp_path: Path) -> None:
    grid = write_design(tmp_path / "full", {("multi_head",): 0.1}, factors=FACTORS[:2], resolution=None, noise=0.0)
    for cell in grid.iterdir():
        if cell.is_dir():
            curves.write_curve(cell, curves.plain_curve(0.0))
    roles = data("curves", grid).drop_duplicates("arm").set_index("arm")["role"].to_dict()
    assert roles == {"base": "base", "base+windowed+multi_head": "all on", "base+multi_head": "best"}


def test_telemetry_is_by_layer_of_routed_arms_alone(curved: Path) -> None:
    found = data("telemetry", curved)
    assert set(found["arm"]) == {"routed"} and set(found["layer"]) == {1, 2}
    assert list(found["quantity"].unique()) == ["effective_clusters", "dead_share", "agreement"]
    second = found[(found["layer"] == 2) & (found["quantity"] == "dead_share") & (found["step"] == 40)].iloc[0]
    assert second[["mean", "low", "high"]].tolist() == pytest.approx([0.153, 0.15, 0.156])
    assert set(data("telemetry", curved, quantities=["temperature"])["quantity"]) == {"temperature"}


def test_cost_by_length_is_what_was_measured(tmp_path: Path) -> None:
    found = PICTURES["cost_length"].data(Evidence((), pd.DataFrame()), {"measured": ["scaling"], "variants": ["base"]})
    flops = found[found["quantity"] == "flops"]
    slopes = np.polyfit(np.log(flops["length"]), np.log(flops["value"]), 1)
    assert flops["exponent"].unique() == pytest.approx(slopes[0])  # fitted by another hand
    assert (found["length"].unique() == [256, 768, 4096, 16384]).all()


@pytest.mark.parametrize("kind", [kind for kind in PICTURES if kind != "cost_length"])
def test_nothing_to_show_is_an_empty_frame(kind: str, tmp_path: Path) -> None:
    frame = data(kind, runs.write_grid(tmp_path / "empty", {"base": {}, "other": {}}))
    assert frame.empty and len(frame.columns)
    with pytest.raises(ValueError, match="nothing to draw"):
        PICTURES[kind].draw(frame, "title")


@pytest.mark.parametrize("kind", PICTURES)
def test_an_unknown_option_is_refused(kind: str, small: Path) -> None:
    with pytest.raises(ReportError, match="colour"):
        data(kind, small, colour="red")
    assert data(kind, small, grids=["another"]).empty or kind == "cost_length"
