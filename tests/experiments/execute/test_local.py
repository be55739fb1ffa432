"""Processes of the local executor: forks and interpreters of their own must not differ, and all end cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from experiments.execute import Job, local, run_jobs
from experiments.execute.local import Local
from swarmformer.errors import SpecError
from tests.experiments.conftest import ROOT
from tests.processes import start_server, wait_for

SCRIPTS = {
    "sleeper": "pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(600)",
    "waiter": "wait()",
    "teller": "print(arguments, os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OMP_NUM_THREADS'], flush=True); "
    "print('leaving', file=sys.stderr); return 3",
    "pointer": "pathlib.Path('pid').touch(); print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True)",
    "looker": "wait(seconds=20)",
    "leaver": "return 3",
    "quitter": "sys.exit(4)",
    "breaker": "1 / 0",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
}
SCRIPT = """import os, pathlib, signal, sys, time

def wait(seconds=600):
    until = time.monotonic() + seconds
    while not pathlib.Path("pid").exists() and time.monotonic() < until:
        time.sleep(0.01)

def main(arguments):
    """


@pytest.fixture(autouse=True)
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, script in SCRIPTS.items():
        (tmp_path / f"{name}.py").write_text(SCRIPT + script)
    start_server()  # in this folder it would not find what it is to import, for the rest of the session
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[forkserver.ForkServer]:
    """A fork server that imports nothing and may be killed: that of the session goes on."""
    server = forkserver.ForkServer()
    for name in ("ensure_running", "connect_to_new_process", "set_forkserver_preload"):
        monkeypatch.setattr(forkserver, name, getattr(server, name))
    monkeypatch.setattr(local, "PRELOADED", ())
    yield server
    server._stop()  # type: ignore[attr-defined]


def outcome(tmp_path: Path, fresh: bool, *names: str) -> dict[str, tuple[int, list[str]]]:
    statuses: dict[str, int] = {}
    executor = Local(2)
    executor.gpus, executor.threads = ["5"], 1
    output = {name: tmp_path / f"{name}-{fresh}.txt" for name in names}
    jobs = [Job(name, name, ("a b", "--x"), output[name], fresh=fresh) for name in names]
    run_jobs(executor, jobs, lambda job, status, seconds: statuses.update({job.title: status}))
    return {name: (statuses[name], output[name].read_text().splitlines()[-2:]) for name in names}


def test_forks_and_fresh_interpreters_end_alike(tmp_path: Path) -> None:
    """An interpreter takes seconds to start: one that ends by itself, and one that does not."""
    forked = outcome(tmp_path, False, "teller", "quitter", "breaker", "killed")
    assert forked["teller"] == (3, ["['a b', '--x', '--threads', '1'] 5 1", "leaving"])
    assert forked["quitter"] == (4, [])
    assert forked["breaker"][0] == 1 and forked["breaker"][1][-1] == "ZeroDivisionError: division by zero"
    assert forked["killed"] == (-signal.SIGKILL, [])
    fresh = outcome(tmp_path, True, "teller", "killed")
    assert fresh == {name: forked[name] for name in fresh}


def test_a_job_that_is_not_ready_is_skipped(tmp_path: Path) -> None:
    ended: list[str] = []
    jobs = [Job(name, "leaver", (), tmp_path / "out.txt", ready=lambda name=name: name == "b") for name in "abc"]  # type: ignore[misc]
    run_jobs(Local(2), jobs, lambda job, status, seconds: ended.append(job.title))
    assert ended == ["b"]


@pytest.mark.parametrize("forks", [True, False])
def test_an_executor_that_is_stopped_stops_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forks: bool
) -> None:
    def interrupt(job: Job, status: int, seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "FORKS", forks)
    jobs = [Job("long", "sleeper", (), tmp_path / "a.txt"), Job("short", "waiter", (), tmp_path / "b.txt")]
    with pytest.raises(KeyboardInterrupt):
        run_jobs(Local(2), jobs, interrupt)
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_forks_end_with_a_server_that_is_killed_and_others_follow(
    tmp_path: Path, own_server: forkserver.ForkServer
) -> None:
    executor = Local(1)
    executor.submit(Job("long", "sleeper", (), tmp_path / "a.txt"))
    process = wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    os.kill(own_server._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]
    assert list(executor.ask().values()) == [255], "lost"
    wait_for(lambda: not is_alive(int(str(process))))
    statuses: list[int] = []
    jobs = [Job("next", "leaver", (), tmp_path / "b.txt")]
    run_jobs(executor, jobs, lambda job, status, seconds: statuses.append(status))
    assert statuses == [3], "a new server takes its place"


DRIVER = """
from experiments.execute import Job, local, run_jobs
import pathlib
if __name__ == "__main__":
    local.PRELOADED = ()
    job = Job("long", "sleeper", (), pathlib.Path("out.txt"), fresh={fresh})
    run_jobs(local.Local(1), [job], print)
"""


@pytest.mark.parametrize("fresh", [True, False])
def test_processes_end_with_a_driver_that_is_killed(tmp_path: Path, fresh: bool) -> None:
    (tmp_path / "driver.py").write_text(DRIVER.format(fresh=fresh))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen([sys.executable, "driver.py"], env=environment)
    process = wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    assert is_alive(int(str(process)))
    driver.kill()
    driver.wait()
    wait_for(lambda: not is_alive(int(str(process))))


@pytest.mark.parametrize(("gpus", "at_once"), [("5", ["floors", "a"]), ("5,6", ["floors", "a", "b"]), ("", ["floors"])])
def test_what_needs_no_gpu_keeps_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: str, at_once: list[str]
) -> None:
    """It ends once a cell has run beside it. Without GPUs it holds a slot, as all compute on the same cores."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    executor, ended, begun = Local(len(gpus.split(","))), list[str](), list[str]()

    def begin(job: Job, submit: Callable[[Job], None] = executor.submit) -> None:
        begun.extend([] if ended else [job.title])
        submit(job)

    monkeypatch.setattr(executor, "submit", begin)
    jobs = [Job("floors", "looker" if gpus else "leaver", (), tmp_path / "floors.txt", on_cpu=True)]
    jobs += [Job(name, "pointer", (), tmp_path / f"{name}.txt") for name in "ab"]
    run_jobs(executor, jobs, lambda job, status, seconds: ended.append(job.title))
    assert begun == at_once and sorted(ended) == ["a", "b", "floors"]
    said = [(tmp_path / f"{name}.txt").read_text().strip() for name in "ab"]
    assert said == {"5": ["5", "5"], "5,6": ["5", "6"], "": ["", ""]}[gpus]
    assert executor._environment(executor.workers)["CUDA_VISIBLE_DEVICES"] == ""


def test_gpus_and_threads_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setattr(local, "usable_cores", lambda: 8)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    executor = Local(3)
    environments = [executor._environment(slot) for slot in range(3)]
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in environments] == ["4", "7", "4"]
    assert {environment["OMP_NUM_THREADS"] for environment in environments} == {"1"}
    assert environments[0]["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "OMP_WAIT_POLICY" not in Local(1)._environment(0)
    assert Local.default_workers(10, "auto") == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Local.default_workers(10, "auto") == 8 and Local.default_workers(1, "auto") == 1


@pytest.mark.parametrize(("said", "threads"), [("1", 1), ("3", 3), ("16", 8), ("0", 8), ("4,2", 8), ("", 8)])
def test_all_threads_are_as_many_as_openmp_allows(monkeypatch: pytest.MonkeyPatch, said: str, threads: int) -> None:
    """Two threads where one was allowed spin against each other on a busy machine."""
    monkeypatch.setattr(local, "usable_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    alone = Local(2, "cpu").alone(0)
    assert alone.threads == threads
    assert isinstance(alone, Local) and alone._environment(0)["OMP_NUM_THREADS"] == str(threads)


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_neither_workers_nor_cores_change_the_threads_of_a_cell(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    """Another number of threads is another last digit, and another device for whoever compares."""
    monkeypatch.setattr(local, "usable_cores", lambda: cores)
    assert {Local(workers, "cpu", threads).threads for workers in (1, 2, 3) for threads in (2,)} == {2}
    assert {Local(workers, "cpu").threads for workers in (1, 2, 3)} == {1}


def test_threads_that_are_asked_for_count_and_leave_room_for_fewer_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "usable_cores", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    executor = Local(2, "cpu", 3)
    assert executor.threads == 3 and executor._environment(0)["OMP_NUM_THREADS"] == "3"
    assert [Local.default_workers(10, "cpu", threads) for threads in (0, 1, 2, 3, 16)] == [8, 8, 4, 2, 1]


def test_windows_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SpecError, match="run it under WSL2"):
        Local(1, "cpu")


def test_the_environment_of_the_grid_is_left_as_it_was(tmp_path: Path) -> None:
    before = dict(os.environ)
    run_jobs(Local(2), [Job("next", "leaver", (), tmp_path / "b.txt")], lambda job, status, seconds: None)
    assert dict(os.environ) == before


def test_the_environment_is_never_emptied_for_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    before, removed, unset = dict(os.environ), list[str](), os.environ.__class__.__delitem__

    def told(environment: os._Environ[str], name: str) -> None:
        removed.append(name)
        unset(environment, name)

    monkeypatch.setattr(os.environ.__class__, "__delitem__", told)  # pop and clear come here too
    wanted = {**before, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with local._set_for_a_moment(wanted):
        assert dict(os.environ) == wanted
    assert dict(os.environ) == before and removed == ["OMP_WAIT_POLICY"]


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
