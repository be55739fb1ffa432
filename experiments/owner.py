"""Who works on a cell: one process at a time, also where somebody deletes the lock while it runs.

The lock is the system's (flock): it goes with the process that holds it, however that ends, and stays with one that is
stopped for hours; no clock is asked. Only who deletes its file can make a second process lock a new one. So the holder
writes ``owner.json`` too, looks after both files while it works, and writes a result only as long as the cell is its
own. Imports no torch.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import psutil
from filelock import FileLock, Timeout

from swarmformer.errors import SwarmformerError
from swarmformer.records import Document, UnreadableFileError, load, save

LOCK, OWNER = "lock", "owner.json"
BEAT_S = 5.0
PATIENCE_S = 3 * BEAT_S
"""Of a look at an owner on another machine: one that lives touches its file within this time."""

GLANCE_S = 2.0
"""Patience of whoever takes a cell: a look of ``is_locked``, as of ``grid status``, holds its lock for a moment too."""


class CellBusyError(SwarmformerError):
    """Another process works on the cell."""


class Owner(Document):
    """``token`` is of this very claim; ``host``, ``process`` and ``born`` are of a process, without any name."""

    token: str
    host: str
    process: int
    born: str


class Hold:
    """A cell that is this process's own, until ``held`` ends."""

    def __init__(self, folder: Path, locks: ExitStack, lost: Callable[[], None]) -> None:
        self.folder, self.locks, self.lost = folder, locks, lost
        self.owner = Owner(token=uuid4().hex, host=_host(), process=os.getpid(), born=_born(os.getpid()))
        self.inode = (folder / LOCK).stat().st_ino
        self.ended = Event()

    def check(self) -> None:
        """Before anything of consequence is written.

        Raises:
            CellBusyError: another process has taken the cell over.
        """
        self._look_after()
        if _owner(self.folder) != self.owner:
            raise CellBusyError(f"{self.folder}: another process took this cell over while this one was stopped")

    def beat(self) -> None:
        """Show that the owner lives, put back what was deleted, and stop where the cell is lost."""
        while not self.ended.wait(BEAT_S):
            try:
                with suppress(OSError):
                    self.check()
                    os.utime(self.folder / OWNER)
            except CellBusyError:
                self.lost()
                return

    def _look_after(self) -> None:
        """Lock again and sign again where files were deleted and nobody else has come in between."""
        try:
            gone = (self.folder / LOCK).stat().st_ino != self.inode
        except FileNotFoundError:
            gone = True
        if gone:
            with suppress(Timeout):
                self.locks.enter_context(lock_of(self.folder))
                self.inode = (self.folder / LOCK).stat().st_ino
        if _owner(self.folder) is None and (self.folder / LOCK).stat().st_ino == self.inode:
            save(self.folder / OWNER, self.owner, flush=False)


def _stop_here() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def held(folder: Path, timeout: float = 0, lost: Callable[[], None] = _stop_here) -> Iterator[Hold]:
    """The cell for this process alone.

    Args:
        lost: what is done, in another thread, once the cell is another process's; this one stops unless told.

    Raises:
        CellBusyError: another process works on it.
    """
    with ExitStack() as locks:
        try:
            locks.enter_context(lock_of(folder, timeout))
        except Timeout:
            raise CellBusyError(f"{folder}: another process works on this cell") from None
        if lives_here(folder) or _lives_elsewhere(folder):
            raise CellBusyError(f"{folder}: another process works on this cell; somebody deleted its lock")
        hold = Hold(folder, locks, lost)
        save(folder / OWNER, hold.owner, flush=False)
        beating = Thread(target=hold.beat, daemon=True)
        beating.start()
        try:
            yield hold
        finally:
            hold.ended.set()
            beating.join()
            if _owner(folder) == hold.owner:
                (folder / OWNER).unlink(missing_ok=True)


def lock_of(folder: Path, timeout: float = 0) -> FileLock:
    """The cell's lock; who takes it to work on the cell should have ``GLANCE_S`` of patience."""
    return FileLock(folder / LOCK, timeout=timeout, thread_local=False)  # what the heart beat locks, the end releases


def is_locked(folder: Path) -> bool:
    """Whether a living process works on the cell.

    Raises:
        OSError: the lock cannot be opened: it is a folder, say.
    """
    if lives_here(folder):
        return True
    if not (folder / LOCK).exists():
        return False
    try:
        with lock_of(folder):
            return False
    except Timeout:
        return True
    except PermissionError:  # somebody else's folder, open to look at only
        return _is_held(folder / LOCK)


def _is_held(lock: Path) -> bool:
    """Whether another process has locked a file that this one may only read."""
    try:
        import fcntl  # here: Windows has none

        descriptor = os.open(lock, os.O_RDONLY)
    except (ImportError, OSError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def lives_here(folder: Path) -> bool:
    """Whether the owner of a cell is a living process of this machine."""
    owner = _owner(folder)
    return owner is not None and owner.host == _host() and _born(owner.process) == owner.born


def _lives_elsewhere(folder: Path) -> bool:
    """Whether an owner on another machine touches its file while we look; clocks are not compared."""
    owner = _owner(folder)
    if owner is None or owner.host == _host():
        return False
    before, until = _touched(folder), time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        time.sleep(BEAT_S / 5)
        if _touched(folder) != before:
            return _owner(folder) is not None
    return False


def _touched(folder: Path) -> int | None:
    with suppress(FileNotFoundError):
        return (folder / OWNER).stat().st_mtime_ns
    return None


def _owner(folder: Path) -> Owner | None:
    if not (folder / OWNER).exists():
        return None
    with suppress(UnreadableFileError):
        return load(folder / OWNER, Owner)
    return None


@cache
def _host() -> str:
    """This machine since it was started, and of its containers this one; a hash that names nobody."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _born(process: int) -> str:
    """When a process started, as its system counts: in ticks, so that no clock can change it; empty once it is dead."""
    try:
        if Path("/proc/self/stat").exists():
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            return "" if fields[0] in "ZX" else fields[19]
        return str(psutil.Process(process).create_time())
    except (OSError, psutil.Error):
        return ""
