"""From run folders to arms: what is averaged, what is set apart, what must be said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from reports.errors import ReportError
from reports.statistics.interval import accuracy_interval
from reports.study.build import study
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_runs import ACCURACIES, only


def test_an_arm_is_its_alike_runs(tmp_path: Path) -> None:
    grid = only(runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2, 3]))
    arm = grid.arm("x")
    assert (arm.n, arm.planned, arm.seeds, arm.is_base) == (3, 4, (0, 1, 2), False)
    assert arm.values == ACCURACIES["x"] and arm.accuracy == accuracy_interval([0.50, 0.55, 0.51])
    assert arm.means["validation_accuracy"] == pytest.approx(0.53)
    assert arm.sources == ("demo/x-0", "demo/x-1", "demo/x-2")
    assert (arm.size.parameters, arm.size.length) == (123456, 64)
    assert grid.counts["COMPLETED"] == 6 and grid.counts["PENDING"] == 2
    assert any("demo/base-3 (PENDING), demo/x-3 (PENDING)" in warning for warning in grid.warnings)


def test_an_arm_without_runs_is_there_with_its_plan(tmp_path: Path) -> None:
    grid = only(runs.write_grid(tmp_path / "demo", {**ACCURACIES, "late": {}}))
    arm = grid.arm("late")
    assert (arm.n, arm.accuracy, arm.means, arm.sources) == (0, None, {}, ("demo/plan.json",))
    assert arm.size.parameters == 123456
    difference = grid.contrast("difference", "late", "base")
    assert (difference.interval, difference.p, difference.n) == (None, None, 0)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [("data", "data_key", "data-2"), ("code", "code_revision", "beef"), ("device", "device", "cuda: H")],
)
def test_unlike_runs_are_arms_of_their_own_and_named(tmp_path: Path, name: str, key: str, value: str) -> None:
    folder = runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2])
    runs.write_cell(folder, runs.result("x", 2, 0.9, **{key: value}))
    grid = only(folder)
    assert grid.arm("x").seeds == (0, 1)
    (other,) = grid.others
    assert (other.name, other.seeds, other.values) == ("x", (2,), {2: 0.9})
    assert other.unlike == f"{name} {value}" and other.accuracy.mean == 0.9
    assert any("demo/x-2" in warning and other.unlike in warning for warning in grid.warnings)
    assert grid.contrast("difference", "x", "base").n == 2
    mixed = only(folder, mix=(name,))
    apart = name == "device"  # within a seed that is never mixed
    assert bool(mixed.others) == apart and mixed.arm("x").seeds == ((0, 1) if apart else (0, 1, 2))


def on(folder: Path, devices: dict[tuple[str, int], str]) -> Path:
    """Runs of ``ACCURACIES`` on these devices."""
    for (arm, seed), device in devices.items():
        runs.write_cell(folder, runs.result(arm, seed, ACCURACIES[arm][seed], device=device))
    return folder


def test_seeds_of_several_devices_may_stand_together_where_each_is_whole(tmp_path: Path) -> None:
    """Arms are compared within seeds, so that what a device does to both of them is no difference."""
    folder = runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2])
    alone = only(folder)
    on(folder, {("base", 2): "cuda: H", ("x", 2): "cuda: H"})
    assert [arm.seeds for arm in only(folder).arms] == [(0, 1)] * 2
    grid = only(folder, mix=("device",))
    assert grid.others == () and [arm.seeds for arm in grid.arms] == [(0, 1, 2)] * 2
    assert grid.contrast("difference", "x", "base") == alone.contrast("difference", "x", "base")
    assert any(f"device {alone.arm('x').columns['device'][0]} for seeds 0, 1; cuda: H for seed 2 (arms are" in note
               for note in grid.notes)  # fmt: skip
    assert np.isnan(grid.arm("x").means["train_s"]) and alone.arm("x").means["train_s"] > 0


def test_a_seed_is_of_the_device_of_most_of_its_runs(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", {**ACCURACIES, "y": {0: 0.5, 1: 0.5, 2: 0.6}}, seeds=[0, 1, 2])
    on(folder, {("base", 2): "cuda: H", ("x", 2): "cuda: H", ("x", 1): "cuda: H"})
    grid = only(folder, mix=("device",))
    assert [(arm.name, arm.seeds) for arm in grid.arms] == [("base", (0, 1, 2)), ("x", (0, 2)), ("y", (0, 1))]
    apart = {(arm.name, arm.seeds): arm.unlike for arm in grid.others}
    assert apart == {("x", (1,)): "device cuda: H", ("y", (2,)): "device " + grid.arm("y").columns["device"][0][:16]}


def test_arms_of_unlike_precision_are_told(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4, 1: 0.5}, "x": {0: 0.5, 1: 0.6}})
    (alike,) = study([folder]).grids
    for seed in (0, 1):
        runs.write_cell(folder, runs.result("x", seed, 0.5, precision="bf16"))
    (grid,) = study([folder]).grids
    said = "Computed in different precisions, which differ by more than a seed may allow for: bf16: x; fp32: base."
    assert said in grid.warnings and not any("precision" in warning for warning in alike.warnings)


def test_products_that_were_rounded_to_tf32_in_some_runs_are_told(tmp_path: Path) -> None:
    """On one device: between a CPU, which has no TF32, and a GPU the device says it."""
    folder = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4, 1: 0.5}, "x": {0: 0.5, 1: 0.6}})

    def computed(tf32: dict[tuple[str, int], bool], device: str) -> list[str]:
        for (arm, seed), rounds in tf32.items():
            runs.write_cell(folder, runs.result(arm, seed, 0.5, computing={"tf32": rounds}, device=device))
        return [warning for warning in study([folder], mix=["device"]).grids[0].warnings if "TF32" in warning]

    both = {("base", 0): True, ("x", 0): True}
    assert computed(both, "cuda: H") == []
    assert computed({("base", 1): True, ("x", 1): False}, "cuda: H") == [
        "On cuda: H products were rounded to TF32 in some runs, and not in demo/x-1."
    ]


def test_runs_of_unlike_precision_are_never_averaged(tmp_path: Path) -> None:
    """Of one key, as ``auto`` has: what most runs were computed in counts. An older run is of what its config says."""
    folder = runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2])
    runs.write_cell(folder, runs.result("x", 2, 0.9, precision="bf16"))
    grid = only(folder, mix=("data", "code", "device"))
    assert grid.arm("x").seeds == (0, 1) and [(arm.unlike, arm.seeds) for arm in grid.others] == [
        ("precision bf16", (2,))
    ]
    assert any("demo/x-2 (precision bf16)" in warning for warning in grid.warnings)


def test_the_code_of_runs_is_their_hash_where_they_have_one(tmp_path: Path) -> None:
    """A commit that changes no source parts nothing; a change of source parts, whatever the revision."""
    folder = runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2])
    for seed, revision in ((0, "aaaa"), (1, "bbbb"), (2, "cccc")):
        for arm in ACCURACIES:
            code = {"code_revision": revision, "code_hash": "hash-1" if seed < 2 else "hash-2"}
            runs.write_cell(folder, runs.result(arm, seed, ACCURACIES[arm][seed], **code))
    grid = only(folder)
    assert grid.arm("x").seeds == (0, 1)
    assert {(arm.name, arm.unlike) for arm in grid.others} == {("base", "code hash-2"), ("x", "code hash-2")}
    assert set(study([folder]).runs["code_hash"]) == {"hash-1", "hash-2"}


def supplier(digest: str) -> list[dict[str, object]]:
    return [{"module": "mine", "parts": ["local.mine:Local"], "hash": digest}]


def test_an_arm_with_a_component_of_ones_own_is_held_against_one_without_it(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2])
    for seed in (0, 1, 2):
        runs.write_cell(folder, runs.result("x", seed, ACCURACIES["x"][seed], suppliers=supplier("1111")))
    grid = only(folder)
    assert grid.others == () and grid.contrast("difference", "x", "base").n == 3
    runs.write_cell(folder, runs.result("x", 2, 0.9, suppliers=supplier("2222")))
    grid = only(folder)
    assert grid.arm("x").seeds == (0, 1) and [(arm.unlike, arm.seeds) for arm in grid.others] == [("mine 2222", (2,))]
    assert grid.arm("base").n == 3 and only(folder, mix=("code",)).arm("x").seeds == (0, 1, 2)


def test_a_seed_counts_once_and_a_second_configuration_stands_apart(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    for seed in (0, 1):
        runs.write_cell(loose, runs.result("a", seed, 0.4 + seed / 10))
    runs.write_cell(loose, runs.result("a", 0, 0.9), folder="a-again")
    runs.write_cell(loose, runs.result("a", 0, 0.7, run_key="other"), folder="a-other")
    grid = only(loose)
    assert grid.base is None and grid.arm("a").seeds == (0, 1) and grid.arm("a").n == 2
    (other,) = grid.others
    assert other.unlike == "configuration other" and other.values == {0: 0.7}
    assert any(warning.startswith("A seed counts once") for warning in grid.warnings)


def test_every_task_of_a_grid_is_a_study_of_its_own(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2])
    for seed in (0, 1, 2):
        runs.write_cell(folder, runs.result("x", seed, 0.8, task="imdb", data_key="data-imdb"))
    first, second = study([folder]).grids
    assert [(grid.task, [arm.name for arm in grid.arms]) for grid in (first, second)] == [
        ("imdb", ["x"]), ("listops", ["base"]),
    ]  # fmt: skip
    assert first.data_key == "data-imdb" and first.others == second.others == ()


def test_speeds_are_those_of_the_configuration_at_its_length(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2])
    rows = [runs.latency("x", 1), runs.latency("x", 1, 0.9, length=32), runs.latency("x", 8, 0.01)]
    rows += [runs.latency("x", 1, 0.5, mode="training"), runs.latency("base", 1, 0.004, length=48)]
    runs.write(folder / "costs.json", runs.costs(*rows))
    grid = only(folder)
    assert {batch: speed.median_s for batch, speed in grid.arm("x").speeds.items()} == {1: 0.002, 8: 0.01}
    assert grid.arm("x").step.median_s == 0.5 and grid.arm("base").step is None
    assert grid.arm("base").speeds[1].length == 48 and "25 %" in grid.timing
    assert grid.arm("x").speeds[1].sources[0] == "demo/costs.json"
    runs.write(folder / "costs.json", runs.costs(runs.latency("x", 1, 1e-6)))
    with pytest.raises(ReportError, match="above physics"):
        study([folder])


def test_arms_can_be_told_apart(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2])
    first, again = only(folder), only(folder)
    assert first.arm("x") == again.arm("x") != first.arm("base") and first.arm("x") in again.arms


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    folders = [runs.write_grid(tmp_path / parent / "demo", ACCURACIES) for parent in ("a", "b")]
    with pytest.raises(ReportError, match="rename one"):
        study(folders)


def test_runs_are_one_tidy_row_a_cell(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2, 3])
    frame = study([folder]).runs
    assert len(frame) == 8 and frame["accuracy"].notna().sum() == 6
    assert frame["where"].is_monotonic_increasing and {"code", "code_hash", "code_revision"} <= set(frame.columns)


def test_intervals_of_running_text_end_where_no_text_can_be(tmp_path: Path) -> None:
    """A perplexity of two runs has so wide an interval that it would reach below one, that of a sure prediction."""
    for seed, (perplexity, bits) in enumerate(((2.0, 1.0), (9.0, 3.17))):
        record = runs.result("base", seed, 0.5)
        record["metrics"]["test"] |= {"perplexity": perplexity, "bits_per_byte": bits}
        runs.write_cell(tmp_path / "demo", record)
    found = only(tmp_path / "demo").arm("base").text_metrics
    upper = stats.ttest_1samp([2.0, 9.0], 0).confidence_interval(0.95).high
    assert (found["perplexity"].mean, found["perplexity"].low) == (5.5, 1.0)
    assert found["perplexity"].high == pytest.approx(upper) and found["bits_per_byte"].low == 0.0
