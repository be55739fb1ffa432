"""What whoever watches a grid sees, and that looking neither imports torch nor touches a cell."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from experiments import grid, progress, watch
from experiments.cells import prepare
from experiments.follow import Follower, Outlook, StepsTold
from experiments.owner import lock_of
from experiments.plan import load_plan
from experiments.plan.registration import register
from experiments.status import Status, glance
from experiments.watch import Watch
from swarmformer.records import PROGRESS, Progress, load, save
from tests.experiments.conftest import ROOT, run_module
from tests.processes import wait_for

Grid = Callable[..., Path]
LINES = [
    {"kind": "train", "step": 20, "loss": 0.7, "norm": 1.0, "lr": 0.1},
    {"kind": "validation", "step": 30, "epoch": 1, "accuracy": 0.5, "loss": 0.6},
    {"kind": "train", "step": 40, "loss": 0.6123, "norm": 1.0, "lr": 0.1},
]


def write_curve(folder: Path, lines: list[dict[str, object]], rest: str = "") -> None:
    (folder / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + rest)


def tell(folder: Path, step: int, steps: int = 120, epoch: int = 2, seconds: float = 10.0) -> None:
    told = Progress(step=step, steps=steps, words=f"epoch {epoch}/4", first_step=0, seconds=seconds)
    save(folder / PROGRESS, told, flush=False)


def test_a_cell_is_followed_line_by_line(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    assert follower.look() == [] and follower.words() == "no step yet"
    tell(tmp_path, 40)
    half = json.dumps({"kind": "validation", "step": 60, "epoch": 2, "accuracy": 0.8125, "loss": 0.5})
    write_curve(tmp_path, LINES, half[:30])
    assert follower.look() == ["epoch 1/4, loss 0.7000, validation 50.00 %, 0:00:20 left"]
    assert follower.words() == "epoch 2/4, step 40/120, loss 0.6123, validation 50.00 %, 0:00:20 left"
    write_curve(tmp_path, LINES, half + "\n")
    assert follower.look() == ["epoch 2/4, loss 0.6123, validation 81.25 %, 0:00:20 left"]
    assert follower.look() == []


def test_a_curve_that_was_rewound_is_read_anew_and_no_epoch_told_twice(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    write_curve(tmp_path, LINES)
    assert len(follower.look()) == 1
    write_curve(tmp_path, LINES[:1])  # a run that goes on from a checkpoint before the validation
    assert follower.look() == [] and follower.loss == 0.7
    write_curve(tmp_path, LINES)
    assert follower.look() == [] and follower.accuracy == 0.5


def test_what_is_damaged_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / PROGRESS).write_text("{")
    (tmp_path / "curve.jsonl").write_bytes(b"\xff\xfe\n[]\nnull\n" + json.dumps(LINES[0]).encode() + b"\n")
    follower = Follower(tmp_path)
    assert follower.look() == [] and follower.words() == "loss 0.7000"


def test_steps_are_told_once_a_second_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, seen = 100.0, []
    monkeypatch.setattr("experiments.follow.time.monotonic", lambda: now)
    told = StepsTold(tmp_path / PROGRESS)
    for step in range(31, 41):
        now += 0.3
        told(step, 40, "epoch 1/1")
        seen.append(load(tmp_path / PROGRESS, Progress).step)
    assert seen == [31, 31, 31, 31, 35, 35, 35, 35, 39, 40]
    last = load(tmp_path / PROGRESS, Progress)
    assert last.first_step == 31 and last.seconds == pytest.approx(2.7) and last.left_s == 0
    (tmp_path / PROGRESS).unlink()
    told.path = tmp_path / "gone" / PROGRESS
    told(40, 40, "")  # nowhere to write is no reason to stop a run


@pytest.mark.parametrize(("workers", "left"), [(1, 10 + 10 + 30 + 20), (2, 35), (100, 30)])
def test_the_time_left_is_made_of_what_is_known(tmp_path: Path, workers: int, left: float) -> None:
    """Arm a took 10 s; b runs and needs 30 more of its 40; c waits and costs the mean of both, 25; a waits too."""
    tell(tmp_path, 30, steps=120, seconds=10.0)
    follower = Follower(tmp_path)
    follower.look()
    outlook = Outlook({"a": [8.0, 12.0]}, ["a", "a", "a"], [("b", follower)])
    assert outlook.left_s(workers) == pytest.approx(max((30 + 3 * 10) / workers, 30))
    assert Outlook({}, ["a"], []).left_s(1) is None
    assert Outlook({"a": [10.0], "b": [40.0]}, ["c"], []).left_s(1) == 25


def cell_of(path: Path, runs: Path, number: int = 0) -> Path:
    plan = load_plan(path)
    cell = list(plan.cells())[number]
    folder = cell.folder(runs / plan.name)
    prepare(folder, cell.arm, cell.spec)
    return folder


def shell_status(path: Path, runs: Path) -> str:
    """``swarmformer grid status`` in an interpreter of its own, and whether that imported torch."""
    code = "import sys; from swarmformer.cli import main; status = main(sys.argv[1:]); print('torch' in sys.modules)"
    words = [sys.executable, "-c", code, "grid", "status", str(path), "--runs", str(runs)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_status_from_another_shell_imports_no_torch(tiny_grid: Grid, tmp_path: Path) -> None:
    path, runs = tiny_grid(), tmp_path / "runs"
    register(load_plan(path), runs / "tiny")
    running, stopped = cell_of(path, runs), cell_of(path, runs, 1)
    tell(running, 40)
    tell(stopped, 20, epoch=1)
    write_curve(running, LINES)
    with lock_of(running):
        said = shell_status(path, runs)
    assert "PENDING 2, RUNNING 1, INTERRUPTED 1; about 0:01:50 left" in said
    assert f"RUNNING      {running.name} epoch 2/4, step 40/120, loss 0.6123, validation 50.00 %, 0:00:20 left" in said
    assert f"INTERRUPTED  {stopped.name} epoch 1/4, step 20/120\n" in said
    assert said.splitlines()[-1] == "False", "torch was imported"


def test_a_grid_file_that_changed_is_read_anew_and_said_so(
    tiny_grid: Grid, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    register(load_plan(tiny_grid()), runs / "tiny")
    assert grid.main(["status", str(tiny_grid()), "--runs", str(runs)]) == 0
    assert "PENDING 4" in (first := capsys.readouterr()).out and "changed" not in first.err
    assert grid.main(["status", str(tiny_grid(seeds=[0, 1, 2])), "--runs", str(runs)]) == 0
    assert "PENDING 6" in (second := capsys.readouterr()).out and "changed since" in second.err.replace("\n", " ")


def test_a_changed_variant_is_noticed_too(
    tiny_grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.yaml").write_text("description: mine\nbase: base\n")
    monkeypatch.setenv("SWARMFORMER_VARIANTS", str(own))
    path = tiny_grid(arms=["base", {"name": "mine", "variant": "mine", "model": {"norm": "layer_norm"}}])
    register(load_plan(path), tmp_path / "runs" / "tiny")
    (own / "mine.yaml").write_text("description: mine\nbase: base\nmodel: {pooling: attention}\n")
    assert grid.main(["status", str(path), "--runs", str(tmp_path / "runs")]) == 0
    assert "changed since" in capsys.readouterr().err.replace("\n", " ")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal of 80 columns would be sent."""
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    console = Console(file=shown, force_terminal=True, width=80)
    for module in (progress, watch):
        monkeypatch.setattr(module, "console", lambda: console)
    monkeypatch.setattr(watch, "LOOK_S", 0.01)
    return shown


def test_a_terminal_has_a_bar_for_each_cell_and_one_for_the_grid(tmp_path: Path, terminal: io.StringIO) -> None:
    tell(tmp_path, 60)
    with Watch(3, outlook=Outlook({"a": [30.0]}, ["a", "b"])) as watching:
        watching.done = 1
        watching.begin("a_long_name_of_an_arm+windowed-s0-01234567", "b", tmp_path)
        write_curve(tmp_path, LINES)
        tell(tmp_path, 90)
        wait_for(lambda: "epoch 2/4, 0:00:03 left, loss 0.612, val 50.0 %" in terminal.getvalue())
        watching.end("a_long_name_of_an_arm+windowed-s0-01234567")
    said = terminal.getvalue()
    assert "1/3 cells, about " in said and "a_long_name_of" in said and "INFO" not in said


def test_a_fault_of_the_display_stops_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "LOOK_S", 0.01)
    monkeypatch.setattr(Follower, "look", lambda self: 1 / 0 if watched else [])
    watched: list[str] = []
    with caplog.at_level(logging.INFO, "swarmformer.grid"), Watch(1) as watching:
        watching.begin("x", "a", tmp_path)
        watched.append("x")
        wait_for(lambda: "the runs go on" in caplog.text)
        watching.begin("y", "a", tmp_path)
        watching.end("x")


@pytest.mark.waits
def test_a_log_has_lines_for_cells_and_epochs(tiny_grid: Grid, tmp_path: Path) -> None:
    path = tiny_grid(arms=["base"], seeds=[0])
    done = run_module("experiments.grid", "run", path, "--runs", tmp_path, "--workers", "1", "--threads", "1")
    assert done.returncode == 0, done.stderr
    lines = [line.partition(" base-s0-")[2] for line in done.stderr.splitlines() if " base-s0-" in line]
    told = [line.partition(": ")[2] for line in lines]
    # How many epochs there will be is known while it runs; a cell of a second may have ended at the first look.
    assert told[0] == "started" and told[3].startswith("COMPLETED ")
    for epoch, line in enumerate(told[1:3], 1):
        assert re.match(rf"epoch {epoch}(/2)?, loss \d\.\d{{4}}, validation \d+\.\d\d %", line)
    [cell] = (tmp_path / "tiny").glob("*/")
    assert glance(cell)[0] is Status.COMPLETED and not (cell / PROGRESS).exists(), "it is for what runs"
    environment = json.loads((cell / "environment.json").read_text())
    assert environment["starts"][0]["threads"]["intra_op"] == 1
    assert "(1 threads)" in json.loads((cell / "result.json").read_text())["device"]
