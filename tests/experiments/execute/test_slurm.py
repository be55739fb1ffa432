"""Slurm through submitit: the script that sbatch gets, jobs in submitit's own executors, and requeueing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch

from experiments import grid
from experiments.execute import Job, find_executor, options_of, run_jobs, scheduler
from swarmformer.errors import SpecError
from swarmformer.records import ENVIRONMENT, RESULT, Environment, load
from tests.experiments.execute.test_guarantees import STEPWISE, Start, start, write
from tests.processes import wait_for

pytest.importorskip("submitit", reason="needs the extra slurm")
pytestmark = pytest.mark.waits
__all__ = ["start"]
TELLER = """import os

def main(arguments):
    os.write(1, " ".join(arguments).encode())
    return int(arguments[0])
"""
SBATCH = """#!/bin/sh
cp "$1" "{folder}/script.sh"
echo "Submitted batch job 7"
"""


def slurm(*words: str, workers: int = 2, threads: int = 3, device: str = "cpu") -> object:
    executor = find_executor("slurm")
    return executor(workers, device, threads, options_of(executor, "slurm", words))


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The programs of Slurm that submitting needs; what sbatch gets lies in script.sh."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {"sbatch": SBATCH.format(folder=tmp_path), "srun": "#!/bin/sh\n"}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_what_waits_at_once_is_one_array_with_what_was_asked_for(cluster: Path) -> None:
    words = ("partition=long", "minutes=90", "memory_gb=4", "account=lab", "setup=module load cuda", "signal_s=120")
    executor = slurm(*words, device="cuda")
    folders = [cluster / "runs" / "tiny" / name for name in ("a", "b")]
    for folder in folders:
        executor.submit(Job(folder.name, "teller", (), folder / "output.txt", folder=folder))
    executor._flush()
    lines = (cluster / "script.sh").read_text().splitlines()
    asked = {"array=0-1%2", "partition=long", "time=90", "mem=4GB", "account=lab", "signal=USR2@120",
             "cpus-per-task=3", "gpus-per-node=1", "open-mode=append"}  # fmt: skip
    assert {f"#SBATCH --{words}" for words in asked} <= set(lines)
    assert "module load cuda" in lines and any(line.startswith("srun ") for line in lines)
    assert [job.job_id for job in executor.running.values()] == ["7_0", "7_1"]
    assert all((cluster / "runs/tiny/slurm" / f"7_{n}_submitted.pkl").exists() for n in range(2)), "on the shared disk"


@pytest.mark.parametrize(("words", "asked"), [((), {"exclusive"}), (("cpus=6",), {"cpus-per-task=6"})])
def test_a_measurement_by_all_threads_has_a_node_for_itself(
    words: tuple[str, ...], asked: set[str], cluster: Path
) -> None:
    executor = slurm(*words).alone(0)
    executor.submit(Job("latency", "teller", (), cluster / "output.txt", fresh=True))
    executor._flush()
    lines = (cluster / "script.sh").read_text().splitlines()
    said = {line.removeprefix("#SBATCH --") for line in lines if "exclusive" in line or "cpus-per-task" in line}
    assert said == asked


def test_a_place_without_slurm_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    executor = slurm()
    executor.submit(Job("a", "teller", (), tmp_path / "output.txt"))
    with pytest.raises(SpecError, match="Try --option cluster=local"):
        executor._flush()


def test_a_cluster_that_refuses_the_jobs_is_quoted(cluster: Path) -> None:
    refusing = "#!/bin/sh\necho 'sbatch: error: invalid partition: lnog' >&2\nexit 1\n"
    (cluster / "programs" / "sbatch").write_text(refusing)
    executor = slurm("partition=lnog")
    executor.submit(Job("a", "teller", (), cluster / "output.txt"))
    with pytest.raises(SpecError, match=r"invalid partition: lnog.*--option partition="):
        executor._flush()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a login node without a GPU")
def test_whoever_submits_needs_no_gpu(
    cluster: Path, tiny_grid: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, own_signals: None,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def submitted(executor: object, jobs: list[Job], on_done: object) -> None:
        raise SpecError(f"submitted {len(jobs)}")

    monkeypatch.setattr(scheduler, "run_jobs", submitted)
    words = ["run", str(tiny_grid()), "--runs", str(cluster / "runs"), "--device", "cuda"]
    assert grid.main([*words, "--executor", "slurm"]) == 1
    assert capsys.readouterr().err.endswith("error: submitted 4\n")
    assert grid.main(words) == 1
    assert "device 'cuda': " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("partion=x",), "has no option 'partion'. Did you mean 'partition'"),
        (("minutes=soon",), "option minutes: Input should be a valid integer.*not 'soon'"),
        (("minutes",), "--option minutes: write KEY=VALUE"),
    ],
)
def test_options_that_do_not_fit_are_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        slurm(*words)


def test_a_job_ends_with_the_status_of_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In submitit's debug executor, which runs the job that it carries in this process."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "teller.py").write_text(TELLER)
    statuses: dict[str, int] = {}
    jobs = [Job(str(number), "teller", (str(number),), tmp_path / f"{number}.txt") for number in (0, 3)]
    run_jobs(slurm("cluster=debug"), jobs, lambda job, status, seconds: statuses.update({job.title: status}))
    assert statuses == {"0": 0, "3": 3}
    assert (tmp_path / "3.txt").read_text() == "3 --threads 3"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("start")
def test_a_job_whose_time_is_up_goes_back_into_the_queue_and_on_from_its_checkpoint(
    tmp_path: Path, start: Start
) -> None:
    path = write(tmp_path, arms=["base"], seeds=[0], train={**STEPWISE, "epochs": 60})
    chaos = start(path, "slurm")
    driver = chaos.drive()
    wait_for(lambda: any(tmp_path.glob("runs/tiny/*/checkpoint.safetensors")), seconds=600)
    os.kill(next(jobs(chaos.processes)), signal.SIGUSR2)
    assert driver.wait(500) == 0
    (cell,) = (tmp_path / "runs" / "tiny").glob("*-s0-*")
    assert [one.continued for one in load(cell / ENVIRONMENT, Environment).starts] == [False, True]
    assert (cell / RESULT).exists()


def jobs(processes: Callable[[], Iterator[tuple[str, psutil.Process]]]) -> Iterator[int]:
    return (process.pid for kind, process in processes() if kind == "job")
