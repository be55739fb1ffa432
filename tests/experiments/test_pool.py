"""Processes of a pool: as forks of a preloaded parent and as interpreters of their own, they must not differ."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from experiments import pool as pools
from experiments.pool import Job, Pool
from experiments.server import LOST, ForkServer
from tests.experiments.conftest import ROOT

SCRIPTS = {
    "sleeper": "pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(600)",
    "waiter": "while not pathlib.Path('pid').exists(): time.sleep(0.01)",
    "teller": "print(sys.argv[1:], __name__, os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OMP_NUM_THREADS'])",
    "leaver": "print('leaving', file=sys.stderr); sys.exit(3)",
    "breaker": "1 / 0",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "supervised": "from experiments.supervised import stop_with_parent; stop_with_parent(); import sleeper",
}
IMPORTS = "import os, pathlib, signal, sys, time\n"


@pytest.fixture(autouse=True)
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, script in SCRIPTS.items():
        (tmp_path / f"{name}.py").write_text(IMPORTS + script)
    monkeypatch.setattr("experiments.server.PRELOADED", ())
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server(scripts: None) -> Iterator[ForkServer]:
    server = ForkServer({**os.environ, "OMP_NUM_THREADS": "1", "SWARMFORMER_SUPERVISED": "1"})
    yield server
    server.close()


def outcome(tmp_path: Path, fresh: bool) -> dict[str, tuple[int, list[str]]]:
    statuses: dict[str, int] = {}
    pool = Pool(2, lambda job, status, seconds: statuses.update({job.title: status}))
    pool.gpus, pool.threads = ["5"], 1
    names = ("teller", "leaver", "breaker", "killed")
    output = {name: tmp_path / f"{name}-{fresh}.txt" for name in names}
    pool.run([Job(name, name, ("a b", "--x"), output[name], fresh=fresh) for name in names])
    return {name: (statuses[name], output[name].read_text().splitlines()[-1:]) for name in names}


def test_forks_and_fresh_interpreters_end_alike(tmp_path: Path) -> None:
    forked, fresh = (outcome(tmp_path, fresh) for fresh in (False, True))
    assert forked == fresh
    assert fresh["teller"] == (0, ["['a b', '--x', '--threads', '1'] __main__ 5 1"])
    assert fresh["leaver"] == (3, ["leaving"])
    assert fresh["breaker"] == (1, ["ZeroDivisionError: division by zero"])
    assert fresh["killed"] == (-signal.SIGKILL, [])


@pytest.mark.parametrize("forks", [True, False])
def test_a_pool_that_is_stopped_stops_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forks: bool
) -> None:
    def interrupt(job: Job, status: int, seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pools, "FORKS", forks)
    pool = Pool(2, interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.run([Job("long", "sleeper", (), tmp_path / "a.txt"), Job("short", "waiter", (), tmp_path / "b.txt")])
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_forks_end_with_a_parent_that_is_killed_and_others_can_follow(tmp_path: Path, server: ForkServer) -> None:
    fork = server.start("supervised", (), tmp_path / "a.txt", {})
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    server.process.kill()
    assert fork.wait(30) == LOST
    wait_for(lambda: not is_alive(int((tmp_path / "pid").read_text())))
    assert server.start("teller", (), tmp_path / "b.txt", {}).wait(30) == LOST
    assert not server.alive


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
