"""Floors of a grid that draws its split anew with each seed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments import floors
from swarmformer.records import FLOORS, Floors, load
from tests.experiments.conftest import ROOT, run_module

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film")
GRID = """
arms: [base]
seeds: {seeds}
data: {{task: {{name: files, train: {folder}/train.csv, test: {folder}/test.csv}}, split_seed: {split}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWARMFORMER_DATA", str(tmp_path))
    monkeypatch.setenv("SWARMFORMER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bert-base-uncased-vocab.txt").write_text("\n".join(WORDS) + "\n")
    for name, n in (("train", 40), ("test", 12)):
        rows = [f"{'good' if row % 3 else 'bad'} film {name} {row},{row % 2}" for row in range(n)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return tmp_path


def floors_of(folder: Path, split: str, seeds: list[int]) -> Floors:
    (folder / "grid.yaml").write_text(GRID.format(seeds=seeds, split=split, folder=folder))
    floors.write_floors(folder / "grid.yaml", folder)
    return load(folder / FLOORS, Floors)


def test_floors_are_means_over_the_splits_of_all_seeds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [floors_of(folder, str(seed), [0]) for seed in (0, 1)]
    both = floors_of(folder, "run", [0, 1])
    assert (both.splits, alone[0].splits) == (2, 1)
    for first, second, mean in zip(alone[0].floors, alone[1].floors, both.floors, strict=True):
        assert mean.accuracy == pytest.approx((first.accuracy + second.accuracy) / 2)
        assert (mean.detail["lowest"], mean.detail["highest"]) == tuple(sorted((first.accuracy, second.accuracy)))
    monkeypatch.setattr(floors, "compute_predictors", lambda *given, **draw: pytest.fail("computed again"))
    assert floors_of(folder, "run", [0, 1]) == both
    monkeypatch.undo()


def test_a_seed_more_is_a_split_more(folder: Path) -> None:
    assert [floors_of(folder, "run", seeds).splits for seeds in ([0], [0, 1, 2])] == [1, 3]
    assert floors_of(folder, "5", [0, 1, 2]).splits == 1


def test_other_seeds_are_other_splits(folder: Path) -> None:
    found = [floors_of(folder, "run", seeds) for seeds in ([0, 1], [7, 8])]
    assert [one.seeds for one in found] == [(0, 1), (7, 8)]
    assert floors_of(folder, "5", [0, 1]).seeds == ()


def test_floors_of_before_count_their_splits() -> None:
    old = Floors(task="toy", data_key="d", splits=2, floors=())
    assert old.are_on([0, 1]) and not old.are_on([0, 1, 2]) and not old.are_on([])
    assert old.model_copy(update={"splits": 1}).are_on([])


DOCUMENTED = [path.stem for path in sorted((ROOT / "experiments").glob("*.py"))
              if re.search(rf"``python -m experiments\.{path.stem}\b", path.read_text(encoding="utf-8"))]  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_module_that_says_how_it_is_started_can_be_started(name: str) -> None:
    """One without a last line that calls its ``main`` ends at once and well, having done nothing."""
    assert run_module(f"experiments.{name}", "--no-such-option").returncode != 0


def test_there_are_such_modules() -> None:
    assert {"floors", "costs", "worker"} <= set(DOCUMENTED)
