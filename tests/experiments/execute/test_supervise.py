"""Whatever the process of a cell does, its supervisor ends with a status of its own and a cause on the disk."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from experiments import owner
from experiments.cells import identity, prepare, status_of
from experiments.execute import failures, supervise
from experiments.execute.supervise import BUSY, DONE, FAILED, STOPPED, Supervisor, Tell
from experiments.limits import StartLimits
from experiments.owner import LOCK, OWNER, CellBusyError, Owner, held, is_locked, lock_of
from experiments.status import Status
from swarmformer.records import CHECKPOINT, FAILURE, PROGRESS, Failure, Progress, load, save
from swarmformer.variants import resolve_run
from tests.processes import wait_for

pytestmark = [pytest.mark.usefixtures("own_signals"), pytest.mark.waits]

SMALL = {"model": {"dims": {"d_model": 8, "seq_len": 16}}, "data": {"task": "listops"}}
MINUTE = 1 / 60


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A prepared cell whose supervisor looks often."""
    monkeypatch.setattr(supervise, "LOOK_S", 0.05)
    monkeypatch.setattr(supervise, "GRACE_S", 3.0)
    folder = tmp_path / "cell"
    prepare(folder, "base", resolve_run("base", [(SMALL, "test")], seed=3))
    save(folder / PROGRESS, Progress(step=7, steps=9, first_step=0, seconds=1.0))
    return folder


def supervised(cell: Path, work: Callable[[Any, Tell], None], **limits: float | None) -> int:
    return Supervisor([cell], work, None, StartLimits(**{"silent_minutes": None, **limits})).run()


def crash(arguments: Any, tell: Tell) -> None:
    ctypes.string_at(0)


def leave_quietly(arguments: Any, tell: Tell) -> None:
    os._exit(0)


def look_busy(arguments: Any, tell: Tell) -> None:
    os._exit(BUSY)


def be_killed(arguments: Any, tell: Tell) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave_in_words(arguments: Any, tell: Tell) -> None:
    os.write(1, b"\xff\x00\xfe")
    sys.exit("gone")


def die_late_once(cell: Path, tell: Tell) -> None:
    """Each start is within a limit of three seconds, also where the machine is busy; both together are not."""
    time.sleep(1.6)
    if not (cell / "died").exists():
        (cell / "died").touch()
        os._exit(0)
    tell(DONE)


DEATHS = {
    crash: "its process was killed by SIGSEGV",
    leave_quietly: "its process ended with exit status 0 and without a word",
    look_busy: "its process ended with exit status 3 and without a word",
    be_killed: "its process was killed by SIGKILL (out of memory?)",
    leave_in_words: "its process ended with exit status 1 and without a word",
}


@pytest.mark.parametrize("work", DEATHS)
def test_a_death_without_a_word_is_tried_again_and_then_a_failure_with_its_cause(
    cell: Path, work: Callable[[Any, Tell], None]
) -> None:
    assert supervised(cell, work) == FAILED
    failure = load(cell / FAILURE, Failure)
    assert failure.cause == f"{DEATHS[work]}, 3 times in a row without getting further"
    assert failure.step == 7 and failure.resumable
    assert ("Fatal Python error: Segmentation fault" in failure.traceback) is (work is crash)
    assert not is_locked(cell)


def test_a_process_that_gets_further_each_time_is_started_again(cell: Path) -> None:
    def die_six_times(arguments: Any, tell: Tell) -> None:
        path = cell / CHECKPOINT
        path.write_bytes(path.read_bytes() + b"x" if path.exists() else b"x")
        if path.stat().st_size <= 6:
            be_killed(arguments, tell)
        tell(DONE)

    assert supervised(cell, die_six_times) == DONE
    assert (cell / CHECKPOINT).stat().st_size == 7 and not (cell / FAILURE).exists()


def sleep(arguments: Any, tell: Tell) -> None:
    time.sleep(600)


def hold_the_interpreter(arguments: Any, tell: Tell) -> None:
    """Neither another thread nor a signal's handler of Python gets a turn."""
    re.match("(a+)+$", "a" * 60 + "b")


def eat(arguments: Any, tell: Tell) -> None:
    """More and more: a fork has of its parent's memory only what is no file's, whatever the parent holds."""
    blocks = list[bytes]()
    while len(blocks) < 40:
        blocks.append(b"x" * 10**8)
        time.sleep(0.05)
    time.sleep(600)


def test_limits_end_a_cell_that_hangs_with_its_cause_and_where_it_stood(cell: Path) -> None:
    assert supervised(cell, hold_the_interpreter, silent_minutes=1.5 * MINUTE) == FAILED
    failure = load(cell / FAILURE, Failure)
    assert failure.cause == "hung: ended after 0.025 minutes without a sign of life"
    assert "hold_the_interpreter" in failure.traceback and failure.resumable
    (cell / FAILURE).unlink()
    assert supervised(cell, sleep, minutes=0.3 * MINUTE) == FAILED
    assert load(cell / FAILURE, Failure).cause == "ended at its limit of 0.005 minutes"
    (cell / FAILURE).unlink()
    size = supervise._size(os.getpid())
    assert supervised(cell, eat, memory_gb=size + 0.2) == FAILED
    assert re.fullmatch(r"ended at its limit of \S+ GB of memory: it held \S+", load(cell / FAILURE, Failure).cause)


def test_a_limit_of_time_is_of_one_start(cell: Path) -> None:
    limits = StartLimits(minutes=3.0 * MINUTE, silent_minutes=3.0 * MINUTE)
    assert Supervisor([cell], die_late_once, cell, limits).run() == DONE


def test_signs_of_life_keep_a_cell_alive_whatever_the_clock_says(cell: Path) -> None:
    def beat(arguments: Any, tell: Tell) -> None:
        for number in range(12):
            os.utime(save_progress(cell, number), (10**9 - number, 10**9 - number))  # a clock that runs backwards
            time.sleep(0.1)
        tell(DONE)

    assert supervised(cell, beat, silent_minutes=0.5 * MINUTE) == DONE


def save_progress(cell: Path, step: int) -> Path:
    save(cell / PROGRESS, Progress(step=step, steps=12, first_step=0, seconds=1.0), flush=False)
    return cell / PROGRESS


def test_time_in_which_the_supervisor_itself_was_stopped_does_not_count(
    cell: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(supervise.time, "monotonic", lambda: now)
    watching = Supervisor([cell], sleep, None, StartLimits(minutes=1, silent_minutes=1))
    now += 8 * 3600  # SIGSTOP in the evening, SIGCONT in the morning
    watching._count()
    assert watching.passed_s == watching.silent_s == supervise.PAUSE_S


def test_what_a_component_leaves_running_keeps_nobody(cell: Path) -> None:
    def linger(arguments: Any, tell: Tell) -> None:
        threading.Thread(target=time.sleep, args=(600,)).start()  # longer than a test may take
        tell(DONE)

    assert supervised(cell, linger) == DONE


def test_a_death_is_noticed_though_a_process_that_the_cell_forked_lives(cell: Path) -> None:
    def fork_and_die(arguments: Any, tell: Tell) -> None:
        if os.fork() == 0:
            time.sleep(600)  # longer than a test may take
        be_killed(arguments, tell)

    assert supervised(cell, fork_and_die) == FAILED
    assert load(cell / FAILURE, Failure).cause.startswith(DEATHS[be_killed])


def test_who_is_asked_to_stop_stops_and_leaves_no_failure(cell: Path) -> None:
    main = os.getpid()

    def ask(arguments: Any, tell: Tell) -> None:
        os.kill(main, signal.SIGTERM)
        time.sleep(600)

    assert supervised(cell, ask) == STOPPED
    assert status_of(cell)[0] is Status.INTERRUPTED

    def stop(arguments: Any, tell: Tell) -> None:
        tell(STOPPED)

    assert supervised(cell, stop) == FAILED
    assert "asked to stop, but not by its grid" in load(cell / FAILURE, Failure).cause


def test_who_has_the_cell_keeps_it_where_its_files_are_deleted(cell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "BEAT_S", 0.05)
    with held(cell) as hold:
        (cell / "lock").unlink()
        assert is_locked(cell)
        with pytest.raises(CellBusyError):
            held(cell).__enter__()
        (cell / OWNER).unlink()
        (cell / "lock").unlink(missing_ok=True)
        wait_for(lambda: (cell / OWNER).exists() and (cell / "lock").exists())
        hold.check()
        assert is_locked(cell)
    assert not is_locked(cell) and not (cell / OWNER).exists()


def test_a_cell_that_may_only_be_read_is_seen_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another user, who works on another machine."""
    cell, elsewhere = tmp_path / "cell", "0" * 16
    cell.mkdir()

    def refuse(folder: Path, timeout: float = 0) -> FileLock:
        raise PermissionError(13, "Permission denied", str(folder / LOCK))

    with lock_of(cell):
        save(cell / OWNER, Owner(token="t", host=elsewhere, process=1, born="1"))
        monkeypatch.setattr("experiments.owner.lock_of", refuse)
        assert is_locked(cell)
    assert not is_locked(cell)


def test_a_lock_that_another_thread_took_is_released_by_this_one(cell: Path) -> None:
    """As where the heart beat locks again what was deleted."""
    lock = lock_of(cell)
    beating = threading.Thread(target=lock.acquire)
    beating.start()
    beating.join()
    assert is_locked(cell)
    lock.release()
    assert not is_locked(cell)


def test_who_has_lost_the_cell_writes_nothing(cell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with held(cell) as hold:
        taken = hold.owner.model_copy(update={"token": "another"})
        save(cell / OWNER, taken)
        with pytest.raises(CellBusyError, match="took this cell over"):
            hold.check()
    assert load(cell / OWNER, owner.Owner) == taken, "the owner's file is the other's"


@pytest.mark.parametrize("beats", [True, False])
def test_an_owner_on_another_machine_is_believed_as_long_as_it_beats(
    cell: Path, monkeypatch: pytest.MonkeyPatch, beats: bool
) -> None:
    """Where locks do not reach across machines, or their file was deleted; its clock may be another."""
    monkeypatch.setattr(owner, "BEAT_S", 0.05)
    monkeypatch.setattr(owner, "PATIENCE_S", 0.3)
    save(cell / OWNER, owner.Owner(token="t", host="elsewhere", process=1, born="1"))
    times = iter(range(10**6))

    def sleep(seconds: float) -> None:
        if beats:
            os.utime(cell / OWNER, ns=(next(times), next(times)))

    monkeypatch.setattr(owner.time, "sleep", sleep)
    if beats:
        with pytest.raises(CellBusyError):
            held(cell).__enter__()
    else:
        with held(cell):
            assert is_locked(cell)


def test_a_failure_from_outside_keeps_the_checkpoint_and_another_does_not(cell: Path) -> None:
    (cell / CHECKPOINT).write_bytes(b"good")
    spec = resolve_run("base", [(SMALL, "test")], seed=3)
    save(cell / FAILURE, Failure(**identity("base", spec), cause="OSError: no space left", step=5, resumable=True))
    assert failures.set_failure_aside(cell) and status_of(cell)[0] is Status.INTERRUPTED
    assert (cell / CHECKPOINT).read_bytes() == b"good"
    save(cell / FAILURE, Failure(**identity("base", spec), cause="diverged", step=5))
    assert failures.set_failure_aside(cell) and not failures.set_failure_aside(cell)
    assert not (cell / CHECKPOINT).exists() and (cell / "checkpoint-1.safetensors").read_bytes() == b"good"


@pytest.mark.parametrize("name", ["result.json", "failure.json", "config.json"])
def test_an_unreadable_cell_has_a_way_out(cell: Path, name: str) -> None:
    (cell / name).write_text('{"schema": 1, "run_k')
    (cell / CHECKPOINT).write_bytes(b"good")
    assert status_of(cell)[0] is Status.UNREADABLE
    assert failures.set_failure_aside(cell)
    assert status_of(cell)[0] is (Status.PENDING if name == "config.json" else Status.INTERRUPTED)
    assert (cell / CHECKPOINT).exists() is (name == "result.json")
    assert any('{"schema": 1, "run_k' in path.read_text() for path in cell.glob(f"{name[:-5]}-1.json")), "deleted"


def test_a_lock_that_is_a_folder_stops_its_cell_alone_and_can_be_set_aside(cell: Path) -> None:
    (cell / "lock").mkdir()
    status, cause = status_of(cell)
    assert status is Status.UNREADABLE and "lock: cannot be opened" in cause
    assert failures.set_failure_aside(cell) and status_of(cell)[0] is Status.INTERRUPTED


@contextmanager
def glanced_at(cell: Path, seconds: float) -> Iterator[None]:
    """Somebody looks at the cell for so long, as ``grid status`` does for a moment."""
    begun = threading.Event()

    def look() -> None:
        with owner.lock_of(cell):
            begun.set()
            time.sleep(seconds)

    looking = threading.Thread(target=look)
    looking.start()
    assert begun.wait(10)
    yield
    looking.join()


def test_a_look_at_a_cell_keeps_no_retry_from_it(cell: Path) -> None:
    failures.record_failure(cell, "a full disk", resumable=True)
    with glanced_at(cell, 0.3):
        assert failures.set_failure_aside(cell)
    assert not (cell / FAILURE).exists()
