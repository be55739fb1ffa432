"""Components that do what components should not: each cell fails with its cause, and the grid goes on to its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import experiments
from experiments.faults import raised_at
from swarmformer.records import FAILURE, RESULT, Failure, load
from tests.processes import ROOT, run_forked

pytestmark = pytest.mark.waits

COMPONENTS = '''
import os, sys
from swarmformer.components.local.identity import Identity

class Polite(Identity):
    """Behaves until it is trained: a plan builds it."""

    def forward(self, x_BND, mask_BN=None, norm=None):
        if self.training and len(x_BND) > 8:
            self.misbehave()
        return super().forward(x_BND, mask_BN, norm)

class Leaves(Polite):
    def misbehave(self): sys.exit(0)

class LooksBusy(Polite):
    def misbehave(self): sys.exit(3)

class Interrupts(Polite):
    def misbehave(self): raise KeyboardInterrupt

class Babbles(Polite):
    def misbehave(self):
        os.write(1, b"\\xff\\xfe\\x00\\x1b[2J")
        print("half a pair: \\udcff")
        sys.stdout.flush()

class Breaks(Polite):
    def misbehave(self): raise ValueError("\\x1b[31m\\nno\\udcff")
'''
CAUSES = {
    "Leaves": "sys.exit(0) was called",
    "LooksBusy": "sys.exit(3) was called",
    "Interrupts": "KeyboardInterrupt was raised",
    "Breaks": r"ValueError: \x1b[31m no\udcff",
}


def test_every_misbehaviour_is_a_cause_and_the_grid_goes_on(tiny_grid: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "misbehaving.py").write_text(COMPONENTS, encoding="utf-8")
    arms = [{"name": name, "variant": "base", "model": {"local": f"misbehaving:{name}"}}
            for name in (*CAUSES, "Babbles")]  # fmt: skip
    path = tiny_grid(base=None, arms=arms, seeds=[0], train={"epochs": 1, "batch_size": 64})
    places = os.pathsep.join([str(tmp_path), str(ROOT)])
    words = ("python", "-m", "experiments.grid", "run", path, "--runs", tmp_path / "runs", "--workers", "2")
    done = run_forked(*words, env={**os.environ, "PYTHONPATH": places})
    assert done.returncode == 1 and f"COMPLETED 1, FAILED {len(CAUSES)}" in done.stdout, done.stdout + done.stderr
    cells = {path.name.partition("-s0-")[0]: path for path in (tmp_path / "runs" / "tiny").glob("*-s0-*")}
    for name, cause in CAUSES.items():
        failure = load(cells[name] / FAILURE, Failure)
        assert failure.cause.startswith(cause) and "misbehave" in failure.traceback, (name, failure)
        assert not failure.resumable
    assert (cells["Babbles"] / RESULT).exists()
    line = COMPONENTS.partition("raise ValueError")[0].count("\n") + 1
    output = cells["Breaks"] / "output.txt"
    assert f"FAILED {CAUSES['Breaks']} (misbehaving.py:{line}; see {output}) (" in done.stderr
    assert "misbehaving.py" in output.read_text("utf-8")
    assert f"mended: swarmformer grid retry {path} --runs {tmp_path / 'runs'}\n" in done.stdout


def test_the_place_of_a_fault_is_the_innermost_of_a_user_s_own() -> None:
    def place(*files: str) -> str:
        return raised_at("".join(f'  File "{file}", line {line}, in f\n' for line, file in enumerate(files, 1)))

    ours, theirs = experiments.__file__, torch.__file__
    assert place(ours, "/home/me/mine.py", theirs) == "mine.py:2"
    assert place(ours, theirs, "<string>") == "__init__.py:2"
    assert place("<string>") == raised_at("") == ""
