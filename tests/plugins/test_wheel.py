"""What ``pip install swarmformer`` gives: grids and reports too, under the package's own name."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CARRIED = {"experiments": "experiments", "reports": "reports", "variants": "_variants", "swarmformer": ""}
LEFT_OUT = ("reports/results/", "reports/reports.yaml", "swarmformer/experiments/", "swarmformer/reports/")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    build = [sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, timeout=200)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_nothing_lands_beside_the_package(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"swarmformer"}


def test_every_tracked_file_is_carried(wheel: zipfile.ZipFile) -> None:
    listed = subprocess.run(["git", "ls-files", *CARRIED], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    tracked = [path for path in listed.stdout.splitlines() if not path.startswith(LEFT_OUT) and (ROOT / path).exists()]
    places = {"/".join(filter(None, ("swarmformer", CARRIED[top], rest)))
              for top, _, rest in (path.partition("/") for path in tracked)}  # fmt: skip
    assert places - set(wheel.namelist()) == set()
    assert len(wheel.namelist()) < len(places) + 20, "something is carried that is not ours"
    assert "swarmformer/py.typed" in wheel.namelist()
    assert sum(entry.compress_size for entry in wheel.infolist()) < 5e6


def test_the_commands_are_declared_and_lead_into_the_wheel(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    lines = wheel.read(name).decode().partition("[swarmformer.commands]")[2].partition("[")[0].split("\n")
    points = dict(line.split(" = ") for line in lines if line)
    assert set(points) == {"train", "grid", "bench", "report", "page", "trace"}
    for target in points.values():
        module, _, function = target.partition(":")
        source = wheel.read(module.replace(".", "/") + ".py").decode()
        assert re.search(rf"^(def {function}\(arguments: |from \S+ import {function}$)", source, re.MULTILINE), target
