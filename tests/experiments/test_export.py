"""What a grid's cells wrote, read back from where people look: by TensorBoard's and MLflow's own readers."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments import grid
from experiments.export import export_grid
from experiments.export.runs import Run, runs_of
from experiments.owner import lock_of
from experiments.status import Status
from swarmformer.errors import SpecError
from swarmformer.records import FAILURE, PLAN, RESULT, Failure, Plan, load, read_curve, save
from tests import committed
from tests.experiments.conftest import ROOT

DEMO = committed.runs_of("demo")
CELLS = [cell.cell for cell in load(DEMO / PLAN, Plan).cells]
DONE, FAILED, STOPPED, RUNNING = CELLS[:4]
CAUSE = "TrainingDivergedError: the loss became nan at step 7"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plan, Path]]:
    """Real cells of the demo: one finished, one failed, one interrupted, one that runs; a fifth has not begun."""
    folder = tmp_path_factory.mktemp("runs") / "demo"
    for cell in (DONE, FAILED, STOPPED, RUNNING):
        shutil.copytree(DEMO / cell, folder / cell)
        if cell != DONE:
            (folder / cell / RESULT).unlink()
    (folder / RUNNING / "curve.jsonl").write_text(
        "".join(line + "\n" for line in (DEMO / RUNNING / "curve.jsonl").read_text().splitlines()[:5])
    )
    plan = load(DEMO / PLAN, Plan)
    failed = next(cell for cell in plan.cells if cell.cell == FAILED)
    identity = {"run_key": failed.run_key, "arm": failed.arm, "seed": failed.seed}
    save(folder / FAILED / FAILURE, Failure(**identity, cause=CAUSE, step=7))
    with lock_of(folder / RUNNING):
        yield plan, folder


def test_results_are_told_of_what_is_finished_alone(runs: tuple[Plan, Path]) -> None:
    found = {run.place: run for run in runs_of(*runs)}
    assert {place: run.status for place, run in found.items()} == {
        DONE: Status.COMPLETED, FAILED: Status.FAILED, STOPPED: Status.INTERRUPTED, RUNNING: Status.RUNNING,
    }  # fmt: skip
    for place, run in found.items():
        tags = {tag for _, values in run.curve for tag in values}
        assert bool(run.results) == (place == DONE)
        assert ("test/accuracy" in tags) == (place == DONE), "the reading of test that counts is a result"
        assert "train/loss" in tags and run.facts["run_key"] and run.options["train.optimiser.lr"] == 0.005
    assert found[FAILED].facts["cause"] == CAUSE
    stored = json.loads((DEMO / DONE / RESULT).read_text())["metrics"]
    assert found[DONE].results["test_accuracy"] == stored["test"]["accuracy"]


def test_a_cell_that_cannot_be_read_is_marked(runs: tuple[Plan, Path], tmp_path: Path) -> None:
    plan, folder = runs
    shutil.copytree(folder / STOPPED, tmp_path / STOPPED)
    (tmp_path / STOPPED / "curve.jsonl").write_text("what\n{}\n")
    [run] = runs_of(plan, tmp_path)
    assert run.status is Status.UNREADABLE and "line 1 is not JSON" in run.facts["cause"] and not run.curve


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("events*"))}


def test_tensorboard_reads_what_was_exported(runs: tuple[Plan, Path], tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert export_grid(*runs, "tensorboard", tmp_path) == {"written": 4}
    before = snapshot(tmp_path)
    assert export_grid(*runs, "tensorboard", tmp_path) == {"current": 4} and snapshot(tmp_path) == before
    for run in runs_of(*runs):
        events = reader.EventAccumulator(str(tmp_path / "demo" / run.place)).Reload()
        scalars = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
        for tag in ("train/loss", "validation/accuracy"):
            expected = [(step, values[tag]) for step, values in run.curve if tag in values]
            assert [step for step, _ in scalars[tag]] == [step for step, _ in expected]
            assert [value for _, value in scalars[tag]] == pytest.approx([value for _, value in expected])
        assert {tag for tag in scalars if tag.startswith("result/")} == {f"result/{name}" for name in run.results}
        [status] = events.Tensors("status")
        words = status.tensor_proto.string_val[0].decode()
        assert words.startswith(f"**{run.status}**") and (CAUSE in words) == (run.place == FAILED)
        start, end = (session(events, tag) for tag in ("session_start_info", "session_end_info"))
        assert start.hparams["run_key"].string_value == run.facts["run_key"]
        assert start.hparams["train.optimiser.lr"].number_value == 0.005
        assert end.status == {DONE: 1, FAILED: 2, STOPPED: 0, RUNNING: 3}[run.place]


def session(events: Any, name: str) -> Any:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    content = events.SummaryMetadata(f"_hparams_/{name}").plugin_data.content
    return getattr(HParamsPluginData.FromString(content), name)


def test_what_goes_on_is_brought_up_to_date(runs: tuple[Plan, Path], tmp_path: Path) -> None:
    """A program that reads on from where it was needs a file that begins as it did."""
    pytest.importorskip("tensorboard")
    plan, folder = runs
    shutil.copytree(folder / RUNNING, tmp_path / "demo" / RUNNING)
    curve = tmp_path / "demo" / RUNNING / "curve.jsonl"
    export_grid(plan, tmp_path / "demo", "tensorboard", tmp_path / "out")
    [before] = snapshot(tmp_path / "out").values()
    curve.write_text((DEMO / RUNNING / "curve.jsonl").read_text())
    assert export_grid(plan, tmp_path / "demo", "tensorboard", tmp_path / "out") == {"written": 1}
    [after] = snapshot(tmp_path / "out").values()
    assert len(after) > len(before) and after[:1000] == before[:1000]


@pytest.mark.filterwarnings("ignore")
def test_mlflow_reads_what_was_exported(runs: tuple[Plan, Path], tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    assert export_grid(*runs, "mlflow", tmp_path) == {"written": 4}
    assert export_grid(*runs, "mlflow", tmp_path) == {"current": 4}
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("demo")
    found = {run.data.tags["swarmformer.cell"]: run for run in client.search_runs([experiment.experiment_id])}
    expected = {run.place: run for run in runs_of(*runs)}
    assert found.keys() == expected.keys()
    ends = {DONE: "FINISHED", FAILED: "FAILED", STOPPED: "KILLED", RUNNING: "RUNNING"}
    for place, run in expected.items():
        data = found[place].data
        assert found[place].info.status == ends[place]
        assert data.params["train.optimiser.lr"] == "0.005" and data.tags["run_key"] == run.facts["run_key"]
        results = {name.removeprefix("result/"): value for name, value in data.metrics.items() if name[:7] == "result/"}
        assert results == run.results
        history = [(m.step, m.value) for m in client.get_metric_history(found[place].info.run_id, "train/loss")]
        assert sorted(history) == [(step, values["train/loss"]) for step, values in run.curve if "train/loss" in values]


def test_without_the_program_the_extra_is_named(
    runs: tuple[Plan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "experiments.export.to_tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(SpecError, match=r"pip install 'swarmformer\[tensorboard\]'"):
        export_grid(*runs, "tensorboard", tmp_path)


def test_curves_are_told_whole(runs: tuple[Plan, Path]) -> None:
    run: Run = next(run for run in runs_of(*runs) if run.place == DONE)
    assert len(run.curve) == len(read_curve(DEMO / DONE))


def test_the_command_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboard")
    words = ["export", "demo", "--runs", str(ROOT / "reports" / "results"), "--to", "tensorboard", str(tmp_path)]
    assert grid.main(words) == 0
    assert f"{len(CELLS)} runs written" in capsys.readouterr().out
