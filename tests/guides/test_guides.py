"""Every guide, followed step by step in an empty folder as somebody would who has installed the package."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, Done, run_forked

pytestmark = pytest.mark.waits

LONG = ("generate", "serve-and-export")
"""What they use has tests of its own: tests/generation, tests/export and tests/serve."""
GUIDES = [pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem in LONG))
          for path in sorted((ROOT / "docs" / "guide").glob("*.md"))]  # fmt: skip
BLOCK = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PIP = """#!/bin/sh
shift
exec "{python}" -m pip install --no-deps --no-build-isolation --no-index --quiet --target "{site}" "$@"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Programs of this interpreter first; ``pip install`` installs into a folder of the test, without network."""
    programs, site = tmp_path / "programs", tmp_path / "site"
    programs.mkdir()
    (programs / "pip").write_text(PIP.format(python=sys.executable, site=site))
    (programs / "pip").chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    python = [str(site), os.environ.get("PYTHONPATH", ""), str(ROOT)]
    cache = str(tmp_path / "cache")
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, python)),
            "SWARMFORMER_CACHE": cache, "OMP_NUM_THREADS": "1"}  # fmt: skip


@pytest.mark.timeout(900)
@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_can_be_followed(guide: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """A block that names a file is that file; a block of bash is run; others are only to be read."""
    folder = tmp_path / "work"
    folder.mkdir()
    blocks = BLOCK.findall(guide.read_text(encoding="utf-8"))
    assert [language for language, _, _ in blocks if language == "bash"], "a guide has something to run"
    for language, name, text in blocks:
        if name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        for line in text.splitlines() if language == "bash" else ():
            done = run(line, folder, environment)
            assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def run(line: str, folder: Path, environment: dict[str, str]) -> Done | subprocess.CompletedProcess[str]:
    """A plain command of ours forked, which spares it the imports; all else by bash."""
    if line.startswith(("swarmformer ", "python ")) and not set(line) & set("|&;<>$*`"):
        return run_forked(*shlex.split(line), cwd=folder, env=environment, timeout=600)
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
