"""Published accuracies against runs and baselines, with intervals worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.claims.judgement import Ruling
from reports.statistics.interval import Interval, accuracy_interval
from reports.study.registration import Followed
from tests.reports.claims.synthetic_study import arm, grid, judged, reference, study

REPRODUCED = {"rule": "reproduced", "variant": "original_small", "task": "imdb"}
BASELINES = {"rule": "baselines", "task": "imdb", "examples": 25000}


def written(folder: Path, name: str, limit: int = 0, *, lr: float = 4.76e-4, d_model: int = 128) -> None:
    """A run of Small as published, but for these."""
    sizes = {"d_model": d_model, "num_layers": 2, "cluster_size": 8, "seq_len": 256}
    spec = {
        "model": {"dims": sizes, "local": {"T_local": 3}},
        "data": {"task": {"name": "imdb", "limit": limit}},
        "train": {"epochs": 8, "lr": lr, "batch_size": 96, "precision": "bf16"},
    }
    cell = folder / name
    cell.mkdir()
    identity = {"schema": 1, "run_key": "abcdef12", "arm": "original_small", "seed": 0, "variant": "original_small"}
    (cell / "config.json").write_text(json.dumps({**identity, "cell": name, "spec": spec}))


@pytest.mark.parametrize(
    ("interval", "expected"),
    [((0.85, 0.84, 0.86), Ruling.NOT_CONFIRMED), ((0.87, 0.80, 0.94), Ruling.NOT_CONFIRMED),
     ((0.87, 0.862, 0.878), Ruling.CONFIRMED)],
)
def test_all_of_the_interval_must_be_at_the_published_figure_or_above(
    tmp_path: Path, interval: tuple[float, float, float], expected: Ruling
) -> None:
    written(tmp_path, "original_small-s0")
    ours = arm("original_small", {0: 0.85, 1: 0.86}, Interval(*interval, 2))
    found = judged(REPRODUCED, study(grid("imdb", folder=tmp_path, arms=(ours,))), numbers=("small_accuracy",))
    assert found.verdict is expected and "2 seeds (imdb: epochs 8, learning rate 0.000476, batch 96" in found.figures
    assert found.measured.endswith("2 seeds of imdb")
    assert found.sources == ("grid/original_small-s0", "grid/original_small-s1")


def test_one_run_has_the_interval_of_its_examples(tmp_path: Path) -> None:
    """Wilson for 800 of 1000: 0.8 ± 0.0248, its centre moved towards a half by 0.0011."""
    written(tmp_path, "original_small-s0")
    ours = arm("original_small", {0: 0.8}, Interval(0.8, None, None, 1))
    found = judged(REPRODUCED, study(grid("imdb", folder=tmp_path, others=(ours,))), numbers=("small_accuracy",))
    told = "80.00 [77.41, 82.36] % over the test examples of one run alone, 1 seed of imdb"
    assert found.verdict is Ruling.NOT_CONFIRMED and found.measured == told


def test_one_run_confirms_nothing(tmp_path: Path) -> None:
    """Nor where all of the interval over its examples is above the published figure."""
    written(tmp_path, "original_small-s0")
    ours = arm("original_small", {0: 0.92}, Interval(0.92, None, None, 1))
    found = judged(REPRODUCED, study(grid("imdb", folder=tmp_path, others=(ours,))), numbers=("small_accuracy",))
    assert found.verdict is Ruling.NOT_CONFIRMED and "over the test examples of one run alone" in found.measured


def test_a_grid_that_was_not_registered_confirms_nothing(tmp_path: Path) -> None:
    written(tmp_path, "original_small-s0")
    ours = arm("original_small", {0: 0.87, 1: 0.88}, Interval(0.875, 0.87, 0.88, 2))
    said = Followed("", unregistered="not registered before its runs")
    late = grid("imdb", folder=tmp_path, arms=(ours,), followed=said)
    found = judged(REPRODUCED, study(late), numbers=("small_accuracy",))
    assert found.verdict is Ruling.NOT_CONFIRMED and "imdb decides nothing: not registered before" in found.why


def test_recipes_that_are_tried_share_the_five_percent(tmp_path: Path) -> None:
    """Of two seeds at 87 and 88 %: the t interval of the log-odds at 97.5 % is 2.00 times as wide as that at 95 %."""
    shares, arms, folders = {0: 0.872, 1: 0.873}, [], []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written(tmp_path / name, "original_small-s0")
        folders.append(tmp_path / name)
        arms.append(arm("original_small", shares, accuracy_interval([*shares.values()])))
    alone, both = (study(*(grid(f.name, folder=f, arms=(a,)) for f, a in zip(folders[:n], arms[:n], strict=True)))
                   for n in (1, 2))  # fmt: skip
    verdicts = [judged(REPRODUCED, each, numbers=("small_accuracy",)).verdict for each in (alone, both)]
    assert verdicts == [Ruling.CONFIRMED, Ruling.NOT_CONFIRMED]


def test_another_recipe_than_the_published_one_is_said_to_be_one(tmp_path: Path) -> None:
    written(tmp_path, "original_small-s0", lr=1e-3)
    ours = arm("original_small", {0: 0.87, 1: 0.88}, Interval(0.875, 0.87, 0.88, 2))
    found = judged(REPRODUCED, study(grid("imdb", folder=tmp_path, arms=(ours,))), numbers=("small_accuracy",))
    assert found.measured == "87.50 [87.00, 88.00] %, 2 seeds of imdb, not the published recipe"
    assert found.verdict is Ruling.CONFIRMED and "not with the published learning rate" in found.why


def test_a_model_of_other_sizes_reproduces_nothing(tmp_path: Path) -> None:
    written(tmp_path, "original_small-s0", d_model=64)
    ours = arm("original_small", {0: 0.87, 1: 0.88}, Interval(0.875, 0.87, 0.88, 2))
    found = judged(REPRODUCED, study(grid("imdb", folder=tmp_path, arms=(ours,))), numbers=("small_accuracy",))
    assert found.verdict is Ruling.UNTESTABLE


def test_runs_on_less_data_reproduce_nothing(tmp_path: Path) -> None:
    written(tmp_path, "original_small-s0", 4000)
    ours = arm("original_small", {0: 0.8}, Interval(0.8, None, None, 1))
    found = judged(REPRODUCED, study(grid("imdb", folder=tmp_path, arms=(ours,))), numbers=("small_accuracy",))
    assert found.verdict is Ruling.UNTESTABLE


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.91, 0.92, Ruling.REFUTED), (0.88, 0.895, Ruling.NOT_CONFIRMED), (0.87, 0.88, Ruling.CONFIRMED)],
)
def test_a_baseline_above_the_published_figure_refutes_it(low: float, high: float, expected: Ruling) -> None:
    majority = reference("majority", Interval(0.5, 0.49, 0.51, 25000))
    other = reference("NB-SVM", Interval((low + high) / 2, low, high, 25000))
    uncounted = [
        reference("on fewer", Interval(0.99, 0.98, 1.0, 100)),
        reference("oracle", Interval(0.99, 0.98, 1.0, 25000), kind="oracle"),
        reference("validation", Interval(0.99, 0.98, 1.0, 25000), split="validation"),
    ]
    known = study(grid("imdb", references=(majority, other, *uncounted)))
    found = judged(BASELINES, known, numbers=("base_accuracy",))
    assert found.verdict is expected and found.measured.startswith("NB-SVM:")
    assert found.sources == ("grid/floors.json", "published.yaml#base_accuracy")


def test_without_baselines_nothing_is_tested() -> None:
    other = study(grid("sst2", task="sst2", references=(reference("NB-SVM", Interval(0.8, 0.7, 0.9, 25000)),)))
    assert judged(BASELINES, other, numbers=("base_accuracy",)).verdict is Ruling.UNTESTABLE
