"""Data of the figures against hand computation and the study, and what they leave out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.errors import ReportError
from reports.figures import KINDS
from reports.study.build import study
from reports.study.contrasts import Contrast
from reports.study.model import GridStudy, Study
from tests.reports import synthetic_curves as curves
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_design import FACTORS, levels_of, write_design

EFFECTS = {("windowed",): 0.03, ("pyramid",): -0.02, ("windowed", "routing"): 0.015}


def data(name: str, *grids: Path, mix: Sequence[str] = (), **options: object) -> pd.DataFrame:
    return KINDS.make(name, options).data(study(grids, mix))


def same(value: float, expected: float | None) -> bool:
    return math.isnan(value) if expected is None else value == expected


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Base, a dearer and better arm, a dearer and worse one, one without runs; latencies of two; a baseline."""
    accuracies = {"base": {0: 0.3, 1: 0.5}, "better": {}, "worse": {}, "absent": {}}
    grid = runs.write_grid(tmp_path / "small", accuracies)
    for arm, by_seed, flops in (("better", {0: 0.6, 1: 0.7}, 20_000_000), ("worse", {0: 0.35}, 30_000_000)):
        for seed, accuracy in by_seed.items():
            runs.write_cell(grid, runs.result(arm, seed, accuracy, flops={"forward": flops, "length": 64}))
    runs.write(grid / "costs.json", runs.costs(runs.latency("base", 1, 0.004), runs.latency("better", 1, 0.003)))
    runs.write(grid / "floors.json", runs.floors("majority"))
    return grid


def test_the_pareto_data_are_means_intervals_and_costs(small: Path) -> None:
    frame = data("pareto", small, against=["flops", "latency"])
    assert list(frame["against"].unique()) == ["flops", "latency"]
    flops, latency = (side.set_index("arm") for _, side in frame.groupby("against", sort=False))
    arm = study([small]).grids[0].arm("base")
    assert arm is not None and arm.accuracy is not None
    assert flops.loc["base", ["accuracy", "low", "high"]].tolist() == [0.4, arm.accuracy.low, arm.accuracy.high]
    assert flops.loc[["base", "better", "worse"], "cost"].tolist() == [12_345_678, 20_000_000, 30_000_000]
    assert flops.loc[["base", "better", "worse", "absent"], "on_front"].tolist() == [True, True, False, False]
    assert flops.loc["absent", "missing"] == "no finished run" and pd.isna(flops.loc["absent", "cost"])
    assert pd.isna(flops.loc["worse", "low"]) and flops.loc["worse", "n"] == 1
    assert latency.loc[["base", "better"], "cost"].tolist() == [0.004, 0.003]
    assert latency.loc[["base", "better"], "on_front"].tolist() == [False, True]  # quicker and better
    assert latency.loc["worse", "missing"] == "not timed"
    assert flops.loc["majority", ["kind", "accuracy"]].tolist() == ["baseline", 0.17]


def test_training_costs_all_epochs_with_pads_as_a_mean_over_seeds(small: Path) -> None:
    for seed, epochs in ((0, 3), (1, 5)):
        runs.write_cell(small, runs.result("base", seed, 0.4, epochs=epochs, epoch_flops=runs.an_epoch(1000)))
    frame = data("pareto", small, against=["training"]).set_index("arm")
    assert frame.loc["base", "cost"] == 4000
    assert frame.loc["better", "missing"] == "not counted" and pd.isna(frame.loc["better", "cost"])


CUT = {"max_steps": 3, "batch_size": 32, "stages": [{"name": "supervised"}]}
EXAMPLES = {"data": {"examples": {"train": 2550}}}  # 80 batches of at most 32, or 40 of at most 64


@pytest.mark.parametrize(("train", "facts", "cost"), [
    (CUT, {"epochs": 1, "steps": 3, **EXAMPLES}, 3 * 4000 / 80),
    ({**CUT, "max_steps": 83}, {"epochs": 2, "steps": 83, **EXAMPLES}, 83 * 4000 / 80),
    ({**CUT, "max_steps": 160}, {"epochs": 2, "steps": 160, **EXAMPLES}, 2 * 4000),
    ({**CUT, "stages": [{"name": "supervised", "max_steps": 10, "batch_size": 64}]},
     {"epochs": 1, "steps": 10, **EXAMPLES}, 10 * 4000 / 40),
    ({**CUT, "max_steps": 99}, {"epochs": 1, "steps": 80}, 4000),  # no limit ended it: whole epochs
    (CUT, {"epochs": 1, "steps": 3}, math.nan),  # how many steps an epoch has is not recorded
])  # fmt: skip
def test_an_epoch_that_a_limit_of_steps_cut_costs_the_share_of_its_steps(
    small: Path, train: dict[str, Any], facts: dict[str, Any], cost: float
) -> None:
    for seed in (0, 1):
        runs.write_cell(small, runs.result("base", seed, 0.4, epoch_flops=runs.an_epoch(4000)))
    cell = runs.write_cell(small, runs.result("worse", 0, 0.4, epoch_flops=runs.an_epoch(4000), **facts))
    runs.write_training(cell, train)
    frame = data("pareto", small, against=["training"]).set_index("arm")
    assert frame.loc["worse", "cost"] == pytest.approx(cost, nan_ok=True)
    assert frame.loc["base", "cost"] == 16_000


def test_seconds_of_training_are_those_of_a_step_times_its_steps_in_what_was_timed(small: Path) -> None:
    for arm, seed, steps, precision in (("base", 0, 30, "fp32"), ("base", 1, 50, "fp32"), ("better", 0, 30, "bf16"),
                                        ("better", 1, 30, "bf16"), ("worse", 0, 30, "fp32")):  # fmt: skip
        runs.write_cell(small, runs.result(arm, seed, 0.4, steps=steps, precision=precision))
    steps = [runs.latency(arm, 32, 0.25, mode="training") for arm in ("base", "better", "worse")]
    runs.write(small / "costs.json", runs.costs(*steps[:2], runs.latency("worse", 32, 0.25)))
    frame = data("pareto", small, against=["seconds"]).set_index("arm")
    assert frame.loc["base", ["cost", "cost_length"]].tolist() == [10.0, 64]
    assert frame.loc[["better", "worse"], "missing"].tolist() == ["not timed", "not timed"]
    runs.write_training(small / runs.cell_name("base", 0), {"stages": [{"name": "a"}, {"name": "b"}]})
    assert data("pareto", small, against=["seconds"]).empty, "of two stages; and nothing is drawn of nothing"


@pytest.mark.parametrize("train", [
    {"objective": {"name": "adversarial"}},
    {"stages": [{"name": "a"}, {"name": "b"}]},
    {"stages": [{"name": "a", "objective": {"name": "r_drop"}}]},
    {"stages": [{"name": "a", "objective": {"alpha": 2.0}}], "objective": {"name": "r_drop"}},
])  # fmt: skip
def test_training_of_more_than_a_pass_a_text_is_not_counted(small: Path, train: dict[str, Any]) -> None:
    cell = runs.write_cell(small, runs.result("base", 0, 0.3, epoch_flops=runs.an_epoch(1000)))
    for arm, accuracy in (("base", 0.5), ("better", 0.7)):
        runs.write_cell(small, runs.result(arm, 1, accuracy, epoch_flops=runs.an_epoch(1000)))
    runs.write_cell(small, runs.result("better", 0, 0.6, epoch_flops=runs.an_epoch(1000)))
    runs.write_training(cell, train)
    frame = data("pareto", small, against=["training"]).set_index("arm")
    assert frame.loc["base", "missing"] == "not counted"


def test_curves_against_flops_leave_out_what_was_not_counted(curved: Path) -> None:
    """80 steps in two epochs of 4,000 FLOPs are 100 a step."""
    for seed in (0, 1, 2):
        runs.write_cell(curved, runs.result("routed", seed, 0.5, epochs=2, epoch_flops=runs.an_epoch(4000)))
    frame = data("curves", curved, arms=["base", "routed"], against="flops")
    assert set(frame["not_counted"]) == {"base"} and set(frame["arm"]) == {"routed"}
    assert (frame["flops"] == 100 * frame["step"]).all()
    steps = data("curves", curved, arms=["base", "routed"])
    assert steps.loc[steps["arm"] == "base", "flops"].isna().all()


def test_unlike_runs_are_left_out_and_counted(small: Path) -> None:
    before = data("pareto", small).set_index("arm")
    runs.write_cell(small, runs.result("absent", 0, 0.9, code_revision="1234567"))
    frame = data("pareto", small).set_index("arm")
    assert (frame["left_out"] == 1).all() and frame.loc["absent", "missing"] == "runs left out"
    rest = [name for name in frame.index if name != "absent"]
    pd.testing.assert_frame_equal(frame.loc[rest].drop(columns="left_out"), before.loc[rest].drop(columns="left_out"))
    mixed = data("pareto", small, mix=("code",)).set_index("arm")
    assert mixed.loc["absent", "accuracy"] == 0.9 and (mixed["left_out"] == 0).all()


def contrasts_of(read: Study) -> list[Contrast]:
    (design,) = read.grids[0].effects
    return [*design.main.contrasts, *design.interactions.contrasts]


def test_the_effects_are_the_studys_with_its_verdicts(tmp_path: Path) -> None:
    grid = write_design(tmp_path / "fraction", EFFECTS, seeds=(0, 1, 2, 3))
    expected = contrasts_of(study([grid]))
    frame = data("effects", grid)
    shown = frame[frame["kind"] != "simple"]
    assert len(shown) == len(expected) == 8 + 7
    for row, contrast in zip(shown.itertuples(), expected, strict=True):
        interval = contrast.interval
        assert interval is not None and row.term == contrast.name and row.verdict == str(contrast.verdict)
        assert row.estimate == interval.mean and same(row.low, interval.low) and same(row.high, interval.high)
        simple = frame[(frame["kind"] == "simple") & (frame["of"] == contrast.name)]
        assert simple["term"].tolist() == [each.name for each in contrast.simple]
        assert simple["verdict"].tolist() == [str(each.verdict) for each in contrast.simple]
    assert set(frame["margin"]) == {0.003}
    aliases = shown.set_index("term").loc["windowed × routing", "aliases"]
    assert set(aliases.split(" = ")) == {"multi_head × layer_norm", "gated_mlp × pyramid", "tied_qkv × gumbel"}
    assert "interaction" not in set(data("effects", grid, order=1)["kind"])


def test_the_map_is_below_the_diagonal_and_aliased_cells_share_value_verdict_and_letter(tmp_path: Path) -> None:
    grid = write_design(tmp_path / "fraction", EFFECTS)
    frame = data("interactions", grid)
    off = frame[frame["row"] != frame["column"]]
    assert len(off) == 28 and off["group"].nunique() == 7 and (off["shared_by"] == 4).all()
    assert all(FACTORS.index(row.row) > FACTORS.index(row.column) for row in off.itertuples())
    assert (off.groupby("group")[["estimate", "verdict"]].nunique() == 1).all(axis=None)
    diagonal = frame[frame["row"] == frame["column"]].set_index("row")
    assert diagonal["group"].isna().all()
    for contrast in contrasts_of(study([grid]))[:8]:
        assert contrast.interval is not None
        assert diagonal.loc[contrast.name, "estimate"] == contrast.interval.mean


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
    frame = data("interactions", grid).set_index(["column", "row"])
    assert frame.loc[("c", "c"), "estimate"] == pytest.approx(0.1)
    assert frame.loc[("a", "b"), "estimate"] == pytest.approx(-0.1)
    assert frame.loc[("a", "b"), "group"] == frame.loc[("c", "c"), "group"]
    record["designs"] *= 2
    runs.write(grid / "plan.json", record)
    both = data("interactions", grid)
    assert both["panel"].nunique() == 2 and len(both) == 2 * len(frame), "a second design has a map of its own"


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
    frame = data("curves", curved, arms=["routed"]).set_index(["measure", "step"])
    assert frame.loc["training loss"].index.tolist() == [20, 40, 60, 80]
    last = frame.loc[("validation accuracy", 80)]
    assert last[["mean", "low", "high"]].tolist() == pytest.approx([0.63, 0.6, 0.66])
    assert (last["n"], last["epoch"]) == (3, 2)
    interval = data("curves", curved, arms=["routed"], band="interval").set_index(["measure", "step"])
    low, high = stats.ttest_1samp([1.8, 1.83, 1.86], 0).confidence_interval(0.95)
    assert interval.loc[("training loss", 20), ["low", "high"]].tolist() == pytest.approx([low, high])


def test_a_curve_that_is_gone_or_broken_is_counted(curved: Path) -> None:
    (curved / "routed-0" / "curve.jsonl").unlink()
    (curved / "routed-1" / "curve.jsonl").write_text("{\n{}\n", encoding="utf-8")
    frame = data("curves", curved, arms=["base", "routed"])
    routed, base = (frame[frame["arm"] == arm] for arm in ("routed", "base"))
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
    frame = data("telemetry", curved)
    assert set(frame["arm"]) == {"routed"} and set(frame["layer"]) == {1, 2}
    assert list(frame["quantity"].unique()) == ["effective_clusters", "dead_share", "agreement"]
    second = frame[(frame["layer"] == 2) & (frame["quantity"] == "dead_share") & (frame["step"] == 40)].iloc[0]
    assert second[["mean", "low", "high"]].tolist() == pytest.approx([0.153, 0.15, 0.156])
    assert set(data("telemetry", curved, quantities=["temperature"])["quantity"]) == {"temperature"}


def test_cost_by_length_is_what_was_measured() -> None:
    none = Study(tuple[GridStudy, ...](), pd.DataFrame())
    frame = KINDS.make("cost_length", {"measured": ["scaling"], "variants": ["base"]}).data(none)
    flops = frame[frame["quantity"] == "flops"]
    slopes = np.polyfit(np.log(flops["length"]), np.log(flops["value"]), 1)
    assert flops["exponent"].unique() == pytest.approx(slopes[0])  # fitted by another hand
    assert (frame["length"].unique() == [256, 768, 4096, 16384]).all()


@pytest.mark.parametrize("name", sorted({*KINDS.names()} - {"cost_length"}))
def test_nothing_to_show_is_an_empty_frame(name: str, tmp_path: Path) -> None:
    frame = data(name, runs.write_grid(tmp_path / "empty", {"base": {}, "other": {}}))
    assert frame.empty
    with pytest.raises(ValueError, match="nothing to draw"):
        KINDS.make(name, {}).draw(frame, "title")


@pytest.mark.parametrize("name", KINDS.names())
def test_an_unknown_option_is_refused(name: str, small: Path) -> None:
    with pytest.raises(ReportError, match="colour"):
        data(name, small, colour="red")
    if name != "cost_length":  # whose measurements are of no grid
        assert data(name, small, grids=["another"]).empty
