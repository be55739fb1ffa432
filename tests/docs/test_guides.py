"""Every guide is followed step by step, in a folder of its own: files are saved, commands are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted((ROOT / "docs" / "guide").glob("*.md"))
BLOCK = re.compile(r"(?:Save this as `(?P<file>[^`]+)`:?\n+)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)


def steps(guide: Path) -> Iterator[tuple[str, str]]:
    """(file, content) of what is to be saved, ("", command) of what is to be run, in order."""
    for block in BLOCK.finditer(guide.read_text(encoding="utf-8")):
        if block["file"]:
            yield block["file"], block["text"]
        elif block["language"] == "bash":
            for line in re.sub(r"\\\n\s*", "", block["text"]).splitlines():
                yield "", line


def follow(guide: Path, folder: Path) -> list[str]:
    """Do every step in ``folder``; the commands that were run. Fails at the first that does not end with 0."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "SWARMFORMER_CACHE": str(folder / ".cache")}
    commands = []
    for file, text in steps(guide):
        if file:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8")
            continue
        commands.append(text)
        done = subprocess.run(
            text, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, f"{guide.name}: {text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return commands


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_guides_work_as_written(guide: Path, tmp_path: Path) -> None:
    assert follow(guide, tmp_path), f"{guide.name} shows no command"
