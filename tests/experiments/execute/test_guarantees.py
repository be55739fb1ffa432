"""What a grid promises wherever its cells run: a finished cell never runs again, several drivers do no harm, whoever is
killed loses nothing, and in the end it says what an undisturbed one says."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
import yaml

from experiments.owner import is_locked
from tests.experiments.conftest import TINY, run_module
from tests.experiments.execute.chaos import Chaos, outcome
from tests.processes import start_forked, wait_for

pytestmark = pytest.mark.waits
Start = Callable[..., Chaos]
EXECUTORS = {
    "local": (),
    "slurm": ("--executor", "slurm", "--option", "cluster=local"),
    "ray": ("--executor", "ray"),
    "ray-stream": ("--executor", "ray", "--option", "stream=true"),
}
NEEDS = {"slurm": "submitit", "ray": "ray", "ray-stream": "ray"}
STEPWISE = {"epochs": 4, "batch_size": 8, "lr": 0.003, "checkpoint_seconds": 0.0}
"""A checkpoint after every step, so that kills fall between the checkpoints of a run."""
KILLS, SEEDS = 30, 20


# The undisturbed grid is the same for every executor: SWARMFORMER_WHOLE_GRID names a folder to keep it in.


def executors(quick: tuple[str, ...]) -> pytest.MarkDecorator:
    """All executors; those that are not quick are slow."""
    marks = {name: [pytest.mark.skipif(find_spec(NEEDS.get(name, "os")) is None, reason="needs its extra"),
                    *([] if name in quick else [pytest.mark.slow])] for name in EXECUTORS}  # fmt: skip
    return pytest.mark.parametrize("executor", [pytest.param(name, marks=marks[name]) for name in EXECUTORS])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A grid with its drivers, all of whose processes end with the test."""
    begun: list[Chaos] = []

    def begin(grid: Path, executor: str, runs: Path | None = None, seed: int = 0) -> Chaos:
        words = (*EXECUTORS[executor], "--workers", "2", "--device", "cpu")
        begun.append(Chaos(grid, runs or tmp_path / "runs", words, random.Random(seed)))
        return begun[-1]

    yield begin
    for chaos in begun:
        chaos.end()


def write(folder: Path, **changes: object) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**TINY, **changes}))
    return path


@executors(quick=("local",))
def test_two_drivers_run_every_cell_once(executor: str, tmp_path: Path) -> None:
    path = write(tmp_path, seeds=[0])
    words = ("python", "-m", "experiments.grid", "run", path, "--runs", tmp_path / "runs", "--workers", "2",
             "--device", "cpu", *EXECUTORS[executor])  # fmt: skip
    processes = [start_forked(*words) for _ in range(2)]
    for process in processes:
        process.join(290)
    assert [process.exitcode for process in processes] == [0, 0]
    folder = tmp_path / "runs" / "tiny"
    assert len(outcome(folder)) == 2
    for cell in folder.glob("*-s0-*"):
        assert (cell / "log.txt").read_text().count("run key") == 1, "a cell was run twice"


@pytest.mark.timeout(900)
@executors(quick=())
def test_a_driver_that_is_stopped_for_long_and_goes_on_runs_nothing_twice(
    executor: str, tmp_path: Path, start: Start
) -> None:
    """SIGSTOP of a driver and all that belongs to it, then SIGCONT, while another one works on the same cells."""
    path = write(tmp_path, arms=["base"], seeds=[0], train=STEPWISE)
    chaos = start(path, executor)
    chaos.drive()
    wait_for(lambda: any(tmp_path.glob("runs/tiny/*/checkpoint.safetensors")), seconds=600)
    stopped = [process for _, process in chaos.processes(spare=False)]
    for process in stopped:
        signalled(process, signal.SIGSTOP)
    (cell,) = (tmp_path / "runs" / "tiny").glob("*-s0-*")
    (cell / "lock").unlink(missing_ok=True)  # somebody takes it for a leftover
    (first,) = chaos.drivers
    second = chaos.drive()
    time.sleep(8)  # longer than the owner's heartbeat
    assert second.poll() is None and (cell / "log.txt").read_text().count("run key") == 1, "taken over"
    for process in stopped:
        signalled(process, signal.SIGCONT)
    assert [first.wait(240), second.wait(240)] == [0, 0]
    assert (cell / "log.txt").read_text().count("run key") == 1, "the cell was run twice"


def signalled(process: psutil.Process, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)


@pytest.mark.timeout(6000)
@executors(quick=())
def test_whoever_is_killed_nothing_is_lost_or_counted_twice(executor: str, tmp_path: Path, start: Start) -> None:
    path = write(tmp_path, seeds=list(range(SEEDS)), train=STEPWISE)
    whole = Path(os.environ.get("SWARMFORMER_WHOLE_GRID", tmp_path / "whole"))
    assert start(path, "local", whole).finish(3000) == 0
    chaos = start(path, executor, seed=len(executor))
    chaos.rage(KILLS, cells=2 * SEEDS)
    unfinished = 2 * SEEDS - len(chaos.finished)
    status = chaos.finish(1500)
    print(f"{executor}: killed {chaos.killed}; {unfinished} cells unfinished after the last kill")
    assert status == 0, (tmp_path / "runs.log").read_text()[-3000:]
    undisturbed, disturbed = outcome(whole / "tiny"), outcome(tmp_path / "runs" / "tiny")
    assert len(disturbed) == 2 * SEEDS
    assert disturbed == undisturbed
    assert not any(is_locked(cell) for cell in (tmp_path / "runs" / "tiny").glob("*-s*-*"))
    assert report(whole / "tiny", tmp_path / "whole-report") == report(tmp_path / "runs" / "tiny", tmp_path / "report")


def report(folder: Path, out: Path) -> str:
    """The tables of a grid's report, without when it was registered and which commit was checked out by then."""
    done = run_module("reports.build", folder, "--out", out)
    assert done.returncode == 0, done.stderr
    said = (out / "runs.md").read_text() + (out / "status.md").read_text()
    return re.sub(r"revision [^,]*|registered \S+ at code \S+", "", said)
