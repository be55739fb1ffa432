"""Ray: a cell whose node goes away goes on elsewhere, and places have what a cell may have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.execute import Job, find_executor, options_of
from experiments.execute.ray_place import Files, Place, files_of, write_files
from experiments.owner import CellBusyError, held
from experiments.status import Status, glance
from experiments.store import make_experiment, run_recorded
from swarmformer.errors import SpecError
from swarmformer.records import ENVIRONMENT, Environment, load
from tests.experiments.conftest import run_module
from tests.experiments.execute.test_guarantees import STEPWISE, write
from tests.experiments.execute.test_supervise import glanced_at
from tests.processes import start_forked, wait_for

pytest.importorskip("ray", reason="needs the extra ray")
pytestmark = pytest.mark.waits


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SpecError, match=r"has no option 'gpu'\. Did you mean 'gpus'"):
        options_of(find_executor("ray"), "ray", ["gpu=1"])
    assert options_of(find_executor("ray"), "ray", ["gpus=0.25", "stream=true"]).model_dump() == {
        "address": "", "cpus": None, "gpus": 0.25, "stream": True, "retries": 5,
    }  # fmt: skip


def test_a_copy_of_a_cell_comes_back_file_by_file_its_end_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a place sends of a streamed cell while it runs, and what the driver makes of it."""
    place: Any = object.__new__(Place)
    place.local, place.sent, place.scratch = Recorder(), {}, None
    cell = tmp_path / "cell"
    place.start("worker", (str(cell), "--x"), str(cell / "output.txt"), str(cell), {"config.json": b"{}"})
    there = place.scratch
    assert place.local.job.arguments == (str(there), "--x") and (there / "config.json").read_bytes() == b"{}"
    for name in ("lock", "owner.json", ".result.json.1.tmp", "result.json", "curve.jsonl"):
        (there / name).write_bytes(name.encode())
    assert place.look() == (None, {"curve.jsonl": b"curve.jsonl"})
    (there / "sacred").mkdir()
    (there / "sacred" / "run.json").write_bytes(b"run")
    place.local.status = 0
    status, files = place.look()
    assert status == 0 and sorted(files) == ["result.json", "sacred/run.json"]
    cell.mkdir()
    written: list[str] = []
    monkeypatch.setattr("experiments.execute.ray_place.write_bytes_atomically",
                        lambda path, content, flush: written.append(path.name))  # fmt: skip
    with held(cell) as hold:
        write_files(hold, files)
        assert written == ["run.json", "result.json"]
        hold.check = lost  # type: ignore[method-assign]
        with pytest.raises(CellBusyError):
            write_files(hold, {"result.json": b""})
    assert written == ["run.json", "result.json"]


@pytest.mark.usefixtures("own_signals")
def test_a_copy_numbers_its_start_behind_those_that_the_cell_has(tmp_path: Path) -> None:
    """Sacred counts the records that it finds: one that found none would write over the first."""
    for _ in range(2):
        run_recorded(make_experiment("cell", {"folder": str(tmp_path)}, lambda config: {}, lambda: None), {})
    kept = {path: path.read_bytes() for path in tmp_path.glob("sacred/*/run.json")}
    assert len(kept) == 2
    place: Any = object.__new__(Place)
    place.local, place.sent, place.scratch = Recorder(), {}, None
    place.start("worker", (), str(tmp_path / "output.txt"), str(tmp_path), files_of(tmp_path))
    settings = {"folder": str(place.scratch)}
    run_recorded(make_experiment("cell", settings, lambda config: {}, lambda: None), {})
    place.local.status = 0
    _, files = place.look()
    assert {Path(name).parent.as_posix() for name in files if name.endswith("run.json")} == {"sacred/3"}


def test_a_copy_leaves_nothing_on_its_node(tmp_path: Path) -> None:
    place: Any = object.__new__(Place)
    place.local, place.sent, place.scratch = Recorder(), {}, None
    left = []
    for status in (None, 0):
        place.start("worker", (), str(tmp_path / "output.txt"), str(tmp_path / "cell"), {"config.json": b"{}"})
        left.append(place.scratch.parent)
        place.local.status = status
        place.look()
    assert len(set(left)) == 2 and not any(folder.exists() for folder in left)


class Crowded:
    """A cluster with room for one place, whose jobs end at the second look; ``faulty`` looks raise before that."""

    class exceptions:  # noqa: N801 - as Ray has it
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            pass

    def __init__(self, faulty: int = 0) -> None:
        self.faulty, self.places, self.killed = faulty, list[Any](), list[Any]()

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 2.0}}, {"Alive": False, "Resources": {"CPU": 64.0}}]

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def remote(self, *arguments: Any) -> Any:
        if arguments == (Place,):
            return self
        place = SimpleNamespace(free=True)
        for name in ("start", "look"):
            setattr(place, name, SimpleNamespace(remote=lambda *words, name=name: (place, name)))
        self.places.append(place)
        return place

    def options(self, **words: Any) -> Crowded:
        return self

    def wait(self, replies: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        ready = [reply for reply in replies if reply[0] is self.places[0]]
        return ready, [reply for reply in replies if reply not in ready]

    def get(self, reply: Any) -> Any:
        place, name = reply
        if name == "start":
            assert place.free, "a job beside another"
            place.free = False
            return None
        if self.faulty:
            self.faulty -= 1
            raise self.exceptions.RayTaskError("no room on the disk")
        place.free = True
        return 0, {}

    def kill(self, place: Any) -> None:
        self.places.remove(place)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("faulty", [0, 1])
def test_who_waits_for_room_gets_it_and_a_faulty_place_gets_no_other_job(
    faulty: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Crowded(faulty)
    monkeypatch.setattr("experiments.execute.ray.connected", lambda said: cluster)
    monkeypatch.setattr("experiments.execute.ray.LOOK_S", 0.01)
    executor = find_executor("ray")(2, "cpu", 1, options_of(find_executor("ray"), "ray", []))
    jobs = [Job(str(number), "worker", (str(number),), Path("output.txt")) for number in range(4)]
    waiting, running, ended = [*jobs], list[Job](), dict[Job, int]()
    while waiting or running:
        while waiting and len(running) < 2:
            running.append(waiting.pop(0))
            executor.submit(running[-1])
        now = executor.ask()
        ended |= now
        running = [job for job in running if job not in now]
    assert sorted(ended.values()) == [0] * (4 - faulty) + [1] * faulty


def test_a_measurement_by_all_threads_has_a_node_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Crowded()
    sizes: list[float] = []
    monkeypatch.setattr(cluster, "options", lambda **words: sizes.append(words["num_cpus"]) or cluster)
    monkeypatch.setattr("experiments.execute.ray.connected", lambda said: cluster)
    monkeypatch.setattr("experiments.execute.ray.LOOK_S", 0.01)
    cells = find_executor("ray")(2, "cpu", 1, options_of(find_executor("ray"), "ray", ["cpus=0.5"]))
    for executor in (cells, cells.alone(0)):
        executor.submit(Job("a", "worker", (), Path("output.txt")))
        executor.ask()
        executor.cancel()
    assert sizes == [0.5, 2.0], "of the nodes that live the largest has two"


def test_a_look_at_a_streamed_cell_makes_it_no_busy_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.execute.ray.connected", lambda said: Crowded())
    executor: Any = find_executor("ray")(1, "cpu", 1, options_of(find_executor("ray"), "ray", ["stream=true"]))
    with glanced_at(tmp_path, 0.3):
        executor.submit(Job("a", "worker", (), tmp_path / "output.txt", folder=tmp_path))
    assert not executor.ended and len(executor.running) == 1
    executor.running[0].locks.close()


def test_a_cell_that_no_node_has_room_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.execute.ray.connected", lambda said: Crowded())
    ray = find_executor("ray")
    assert ray.default_workers(9, "cpu", 1, options_of(ray, "ray", [])) == 2
    with pytest.raises(SpecError, match="no node has 3 CPUs and 0 GPUs"):
        ray(1, "cpu", 1, options_of(ray, "ray", ["cpus=3.0"]))


class Recorder:
    """In the place of the local executor."""

    status: int | None = None
    job: Job

    def submit(self, job: Job) -> None:
        self.job = job

    def ended(self) -> dict[Job, int]:
        return {} if self.status is None else {self.job: self.status}


def lost() -> Files:
    raise CellBusyError("taken over")


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes on this machine."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("stream", [False, True])
def test_a_node_that_goes_away_takes_nothing_with_it(tmp_path: Path, cluster: Any, stream: bool) -> None:
    second = cluster.add_node(num_cpus=1)
    path = write(tmp_path, arms=["base"], seeds=[0, 1, 2], train={**STEPWISE, "epochs": 60})
    options = ("--option", f"address={cluster.address}", "--option", f"stream={str(stream).lower()}")
    words = ("python", "-m", "experiments.grid", "run", path, "--runs", tmp_path / "runs", "--workers", "2",
             "--device", "cpu", "--executor", "ray", *options)  # fmt: skip
    said = [tmp_path / name for name in ("stdout", "stderr")]
    driver = start_forked(*words, said=said)
    folder = tmp_path / "runs" / "tiny"
    wait_for(lambda: len(list(folder.glob("*/checkpoint.safetensors"))) == 2, seconds=900)
    running = [cell for cell in folder.glob("*-s*-*") if glance(cell)[0] is Status.RUNNING]
    assert len(running) == 2, "one on each node"
    cluster.remove_node(second, allow_graceful=False)
    driver.join(1200)
    assert driver.exitcode == 0, said[1].read_text()[-3000:]
    assert "lost" in said[1].read_text()
    starts = [load(cell / ENVIRONMENT, Environment).starts for cell in folder.glob("*-s*-*")]
    assert sorted(len(each) for each in starts) == [1, 1, 2] and all(each[-1].continued for each in starts if each[1:])
    assert run_module("experiments.grid", "status", path, "--runs", tmp_path / "runs").stdout.startswith("COMPLETED 3")
