"""Every command and every piece of Python that the README shows is tried."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import benchmark, grid, scaling, train
from reports import build, cost, trace
from reports.site import __main__ as page
from swarmformer import cli
from swarmformer.settings import data_dir

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


COMMANDS = [line for block in blocks("bash") for line in block.splitlines() if line.strip()]


def rehearse(line: str, scratch: Path) -> int:
    """Try a command without its hours (plan for run, print_config for training); returns its exit status."""
    words = shlex.split(line)
    if "&&" in words:  # the last part is what is to be tried; those before install things
        words = words[-words[::-1].index("&&") :]
    if words[0] == "make":
        return subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True).returncode
    if words[0] == "swarmformer":
        return cli.main(words[1:])
    assert words[:2] == ["python", "-m"], f"do not know how to try {line!r}"
    module, *arguments = words[2:]
    if module == "experiments.grid":
        command = "status" if arguments[0] == "status" else "plan"
        return grid.main([command, *arguments[1:], "--runs", str(scratch)])
    if module == "reports.build":
        return 0 if build._parser().parse_args(arguments) else 1
    if module == "reports.page":
        return 0 if page._parser().parse_args(arguments) else 1
    if module == "reports.trace":
        return trace.main(arguments)
    if module == "reports.cost":
        return 0 if cost.written(cost.FOLDER) else 1
    commands = {"experiments.train": train, "experiments.benchmark": benchmark, "experiments.scaling": scaling}
    first = [word for word in arguments if word in benchmark.DEPTHS]
    rest = [word for word in arguments if word not in ("print_config", *first)]
    return commands[module].main([*first, "print_config", *rest])  # type: ignore[attr-defined]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_work(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_signals: None) -> None:
    if "imdb" in line and data_dir() is None:
        pytest.skip("needs SWARMFORMER_DATA for BERT's vocabulary")
    if line.startswith("make") and shutil.which("make") is None:
        pytest.skip("needs make")
    monkeypatch.chdir(ROOT)
    assert rehearse(line, tmp_path) == 0


@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(block: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", TEXT) if not target.startswith("http")]
    assert targets
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert missing == []
