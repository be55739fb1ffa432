"""A grid whose processes are killed at random, whichever executor runs them."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import psutil

from swarmformer.records import RESULT, load_json
from tests.experiments.conftest import ROOT, command

MARK = "SWARMFORMER_CHAOS"
"""A variable that every process of a grid inherits, so that it is found again whoever is its parent by then."""
SPARED = ("raylet", "gcs_server", "dashboard", "log_monitor", "runtime_env", "resource_tracker", "_private/monitor")
"""What a cluster consists of: who kills that has no cluster. That a node is lost has a test of its own."""


@dataclass
class Chaos:
    """Drivers of one grid, and what has been seen of it. ``killed``: how many processes, by what they were."""

    grid: Path
    runs: Path
    words: tuple[str, ...]
    random: random.Random
    token: str = field(default_factory=lambda: uuid4().hex)
    drivers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    killed: dict[str, int] = field(default_factory=dict)
    finished: dict[Path, bytes] = field(default_factory=dict)

    def drive(self) -> subprocess.Popen[bytes]:
        """Start a driver."""
        words = command("experiments.grid", "run", self.grid, "--runs", self.runs, *self.words)
        log = (self.runs.parent / f"{self.runs.name}.log").open("ab")
        environment = {**os.environ, MARK: self.token, "PYTHONPATH": str(ROOT)}
        driver = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
        self.drivers.append(driver)
        return driver

    def rage(self, kills: int, cells: int, pause_s: float = 5.0, timeout_s: float = 600) -> None:
        """Kill so many of its processes, each a while after the cells got further than they were at the kill before.

        The while ends where cells finish faster than processes are killed: the last kill falls before the last cells.
        """
        while sum(self.killed.values()) < kills:
            before, until = self._reached(), time.monotonic() + timeout_s
            while self._reached() == before:
                assert time.monotonic() < until, "the grid stands still"
                self._keep_driven()
                time.sleep(0.1)
            until = time.monotonic() + self.random.uniform(0, pause_s)
            while time.monotonic() < until and len(self.finished) * kills < 0.9 * cells * sum(self.killed.values()):
                time.sleep(0.05)
                self.look()
            self.look()
            victims = dict[str, list[psutil.Process]]()
            for kind, process in self.processes():
                victims.setdefault(kind, []).append(process)
            if victims:  # a kind first: there are more cells than drivers
                kind = self.random.choice(sorted(victims))
                self._kill(kind, self.random.choice(victims[kind]))

    def _keep_driven(self) -> None:
        """There is always a driver, and at times a second one."""
        self.drivers = [driver for driver in self.drivers if driver.poll() is None]
        if not self.drivers or (len(self.drivers) == 1 and self.random.random() < 0.001):
            self.drive()

    def _reached(self) -> list[tuple[str, int]]:
        """When each checkpoint and result was written."""
        found = list[tuple[str, int]]()
        for name in (RESULT, "checkpoint.safetensors"):
            for path in self.runs.glob(f"*/*/{name}"):
                with suppress(FileNotFoundError):
                    found.append((str(path), path.stat().st_mtime_ns))
        return sorted(found)

    def finish(self, timeout_s: float) -> int:
        """One more driver, left alone; its exit status."""
        status = self.drive().wait(timeout_s)
        self.look()
        return status

    def end(self) -> None:
        """Leave no process behind, whatever happened."""
        for _, process in self.processes(spare=False):
            with suppress(psutil.Error):
                process.kill()
        for driver in self.drivers:
            driver.wait()

    def look(self) -> None:
        """Every finished result stays as it was when it was seen first."""
        for path in self.runs.glob(f"*/*/{RESULT}"):
            content = path.read_bytes()
            assert self.finished.setdefault(path, content) == content, f"{path} was overwritten"

    def processes(self, spare: bool = True) -> Iterator[tuple[str, psutil.Process]]:
        """Those of this grid that live, with what they are."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) != self.token or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                line = " ".join(process.cmdline())
                if not spare or not any(word in line for word in SPARED):
                    yield self._kind(process, line), process

    def _kind(self, process: psutil.Process, line: str) -> str:
        if process.pid in {driver.pid for driver in self.drivers}:
            return "driver"
        if "forkserver" not in line and "_submit" not in line:
            return "place" if "ray::" in line else "controller" if "submitit.local" in line else "other"
        if os.getpgid(process.pid) == process.pid:
            return "cell"
        above = process.parent()
        of_ours = above is not None and any(word in " ".join(above.cmdline()) for word in ("forkserver", "_submit"))
        return "supervisor" if of_ours else "job" if "_submit" in line else "fork server"

    def _kill(self, kind: str, process: psutil.Process) -> None:
        with suppress(psutil.Error):
            process.kill()
            self.killed[kind] = self.killed.get(kind, 0) + 1


def outcome(folder: Path) -> dict[str, Any]:
    """What must not depend on what was killed: metrics, epochs, steps and logits of every cell."""
    keys = ("metrics", "best_epoch", "epochs", "steps", "run_key", "seed", "data_key", "device", "code_hash")
    found = {}
    for path in folder.glob(f"*/{RESULT}"):
        result = load_json(path)
        with np.load(path.with_name("predictions.npz")) as predictions:
            found[path.parent.name] = {key: result[key] for key in keys} | {"logits": predictions["logits"].tolist()}
    return found
