"""A grid whose runs answer another task too: held against what the saved models answer to that task's texts."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np
import pytest

from experiments.grid import main
from swarmformer.pipeline import TextClassifier
from swarmformer.pipeline import load as load_pipeline
from swarmformer.records import FLOORS, Floors, Result, load
from swarmformer.scores import Scores, Tally
from tests.experiments.conftest import run_module

pytestmark = pytest.mark.usefixtures("own_cache")
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "plot", "fine", "dull")
SEQ_LEN = 16
GRID = """
base: base
arms: [base, bag_of_embeddings]
seeds: [0, 1]
model: {{dims: {{d_model: 8, num_layers: 1, cluster_size: 4, seq_len: {seq_len}}}}}
data:
  task: {{name: files, train: {folder}/train.csv, test: {folder}/test.csv, title: films}}
  out_of_domain: {others}
  cut: head_tail
train: {{epochs: 2, batch_size: 16, lr: 0.05, precision: fp32}}
keep_weights: true
latency: null
"""
PLOTS = "{{name: files, train: {folder}/plots.csv, test: {folder}/plots.csv, title: plots}}"
AGAIN = "{{name: files, train: {folder}/train.csv, test: {folder}/test.csv, title: again}}"
"""The grid's own task once more."""


def write_table(path: Path, noun: str, n: int, seed: int, longest: int = 6) -> None:
    """Positive rows end in good or fine, negative ones in bad or dull, one in five the other way round."""
    rng, rows = random.Random(seed), ["text,label"]
    for row in range(n):
        positive = row % 2 == 0
        word = rng.choice(("good", "fine") if positive != (rng.random() < 0.2) else ("bad", "dull"))
        rows.append(f"{' '.join([noun] * rng.randint(1, longest))} {word},{'positive' if positive else 'negative'}")
    path.write_text("\n".join(rows) + "\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWARMFORMER_DATA", str(tmp_path))
    (tmp_path / "bert-base-uncased-vocab.txt").write_text("\n".join(WORDS) + "\n")
    tables = (("train", "film", 120, 6), ("test", "film", 40, 6), ("plots", "plot", 60, 3 * SEQ_LEN))
    for seed, (name, noun, n, longest) in enumerate(tables):
        write_table(tmp_path / f"{name}.csv", noun, n, seed, longest)
    return tmp_path


def run(folder: Path, others: str) -> Path:
    grid = folder / "films.yaml"
    grid.write_text(GRID.format(folder=folder, seq_len=SEQ_LEN, others=others.format(folder=folder)))
    done = run_module("experiments.grid", "run", grid, "--runs", folder / "runs", "--workers", "1")
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "films"


def results_of(runs: Path) -> dict[str, Result]:
    return {path.parent.name: load(path, Result) for path in sorted(runs.glob("*/result.json"))}


def scores_of(model: TextClassifier, rows: list[tuple[str, str]]) -> Scores:
    tally = Tally(model.classes)
    labels = np.array([model.classes.index(label) for _, label in rows])
    tally.add(labels, np.stack(list(model.logits(text for text, _ in rows))))
    return tally.scores()


def test_every_run_answers_the_other_tasks_as_its_model_does(folder: Path) -> None:
    runs = run(folder, f"[{PLOTS}, {AGAIN}]")
    found = results_of(runs)
    assert len(found) == 4
    rows = [tuple(line.rsplit(",", 1)) for line in (folder / "plots.csv").read_text().splitlines()[1:]]
    for name, result in found.items():
        model = load_pipeline(runs / name)
        assert isinstance(model, TextClassifier)
        scores, there = scores_of(model, rows), result.out_of_domain["plots"]
        assert (there.n, there.accuracy) == (60, pytest.approx(scores.accuracy))
        assert there.loss == pytest.approx(scores.loss, rel=1e-5)
        heads = [(" ".join(text.split()[: SEQ_LEN - 2]), label) for text, label in rows]
        assert scores_of(model, heads).loss != pytest.approx(scores.loss, rel=1e-3), "the cut of the run matters"
        again = result.out_of_domain["again"].model_dump()
        assert len(again.pop("data_key")) == 64 and again == result.metrics.test.model_dump()
    _check_floors(folder, load(runs / FLOORS, Floors))
    _check_report(folder, runs, found)


def _texts(folder: Path, name: str) -> list[str]:
    return [line.rsplit(",", 1)[0] for line in (folder / f"{name}.csv").read_text().splitlines()[1:]]


def _check_floors(folder: Path, floors: Floors) -> None:
    own = [(one.name, one.accuracy, one.n) for one in floors.floors]
    assert [(one.name, one.accuracy, one.n) for one in floors.out_of_domain["again"].floors] == own
    there = floors.out_of_domain["plots"].floors
    assert [one.name for one in there] == [name for name, *_ in own]
    assert {one.n for one in there} == {60} and there[0].accuracy == 0.5
    assert there[-1].accuracy > 0.7  # good and fine mean the same of plots
    train, test = (_texts(folder, name) for name in ("train", "test"))
    assert floors.out_of_domain["plots"].copies == 0
    assert floors.out_of_domain["again"].copies == sum(text in train for text in test) > 0


def _check_report(folder: Path, runs: Path, found: dict[str, Result]) -> None:
    assert run_module("reports.build", runs, "--out", folder / "report").returncode == 0
    rows = list(csv.DictReader((folder / "report" / "out_of_domain_films_plots.csv").open()))
    expected = [result.out_of_domain["plots"].accuracy for name, result in found.items() if "bag" in name]
    (row,) = [row for row in rows if row["name"] == "bag_of_embeddings"]
    assert float(row["accuracy"]) == pytest.approx(sum(expected) / 2) and row["n"] == "2"


def test_runs_that_were_finished_before_are_named_and_stay_as_they_are(folder: Path) -> None:
    before = {name: result.run_key for name, result in results_of(run(folder, "[]")).items()}
    grid = folder / "films.yaml"
    grid.write_text(GRID.format(folder=folder, seq_len=SEQ_LEN, others=f"[{PLOTS}]".format(folder=folder)))
    done = run_module("experiments.grid", "run", grid, "--runs", folder / "runs", "--workers", "1")
    said = done.stdout + done.stderr
    assert said.count("finished before it was asked about plots as it is now") == len(before) == 4
    found = results_of(folder / "runs" / "films")
    assert {name: result.run_key for name, result in found.items()} == before
    assert not any(result.out_of_domain for result in found.values())
    assert load(folder / "runs" / "films" / FLOORS, Floors).out_of_domain  # baselines are asked anew


def test_a_task_of_other_classes_is_refused_with_its_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "films.yaml").write_text(GRID.format(folder=folder, seq_len=SEQ_LEN, others="[listops]"))
    assert main(["plan", str(folder / "films.yaml")]) == 1
    said = capsys.readouterr().err
    assert "arms[0] (base): data.out_of_domain: task 'listops' has classes 0, 1" in said


def test_arms_are_asked_alike_and_files_are_read_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = folder / "films.yaml"
    grid.write_text(GRID.format(folder=folder, seq_len=SEQ_LEN, others=f"[{PLOTS}]".format(folder=folder)))
    assert main(["plan", str(grid), "--runs", str(folder / "runs")]) == 0
    assert "asked too: plots, 60 texts" in capsys.readouterr().out
    alone = "{name: alone, variant: base+layer_norm, data: {out_of_domain: []}}"
    grid.write_text(grid.read_text().replace("[base, bag_of_embeddings]", f"[base, {alone}]"))
    assert main(["plan", str(grid)]) == 1
    assert "data.out_of_domain: the arms differ in it" in capsys.readouterr().err
    (folder / "plots.csv").write_text("text,label\ngood plot,positive\nbad plot,negative\ndull,negativ\ndull,fine\n")
    write_table(folder / "other.csv", "plot", 20, 5)
    named = f"[{PLOTS}]".replace("train: {folder}/plots", "train: {folder}/other").format(folder=folder)
    grid.write_text(GRID.format(folder=folder, seq_len=SEQ_LEN, others=named))
    assert main(["plan", str(grid)]) == 1
    assert "data.out_of_domain, plots: " in (said := capsys.readouterr().err) and "line 4" in said
