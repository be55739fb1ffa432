"""Every command and every piece of Python that README.md and the pages of docs/ show is tried."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import benchmark, grid, train
from experiments.planned import grid_path
from experiments.properties import next_token, norms
from experiments.speed import profile
from reports import build, cost, page, readme, trace
from swarmformer import cli, registry
from swarmformer.records import unseal
from swarmformer.settings import data_dir
from tests.committed import RESULTS
from tests.processes import ROOT, run_forked

pytestmark = pytest.mark.waits

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MAINS: dict[str, Callable[[list[str]], int]] = {
    "train": train.main, "grid": grid.main, "bench": benchmark.main, "report": build.main, "page": page.main,
    "trace": trace.main, "reports.cost": cost.main, "reports.readme": readme.main,
    "experiments.properties.norms": norms.main, "experiments.properties.next_token": next_token.main,
    "experiments.speed.profile": profile.main,
}  # fmt: skip


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


NAMED = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILES = {name: text for page in PAGES for name, text in NAMED.findall(page.read_text(encoding="utf-8"))}
"""What a page says is a file, by its name."""


def commands(page: Path) -> list[str]:
    lines = "\n".join(blocks(page, "bash")).splitlines()
    return [line.partition("  #")[0].strip() for line in lines if line.strip()]


def without_hours(name: str, words: list[str], scratch: Path) -> list[str]:
    """The same command, with what takes long or writes into the checkout left out: a plan for a run, for instance."""
    if name == "grid" and words[0] == "export":
        pytest.importorskip(words[words.index("--to") + 1])
        pytest.importorskip("sqlalchemy" if "mlflow" in words else "tensorboard")
        return [*words[:-1], str(scratch)]
    if name == "grid" and words[0] == "unseal":
        return [*words[:-1], str(scratch)]
    if name == "grid" and words[0] == "seal":
        unseal(RESULTS / words[1], scratch / words[1])
        return [*words[:2], "--runs", str(scratch), str(scratch / "sealed")]
    if name == "grid" and words[1] in FILES:
        return ["plan", words[1], "--runs", str(scratch)]
    if name == "grid" and "demo" not in words[1]:
        assert grid_path(words[1]).is_file(), "tests/experiments/test_plan.py builds every grid that is shipped"
        return ["--help"]
    if name == "grid":
        return ["status" if words[0] == "status" else "plan", words[1], "--runs", str(scratch)]
    if name in ("train", "bench"):
        depth = [word for word in words if word in ("quick", "full", "scaling")]
        return [*depth, "print_config", *(word for word in words if word not in ("print_config", *depth))]
    if name in ("experiments.properties.norms", "experiments.properties.next_token", "experiments.speed.profile"):
        return ["--help"]
    if name in ("report", "page"):  # the same words, on the smallest runs that are there
        assert all((ROOT / word).is_dir() for word in words if word.startswith("reports/results/"))
        words = ["reports/results/demo" if word.startswith(("runs/", "reports/results/")) else word for word in words]
    if "--out" in words:
        words = [*words[: words.index("--out")], "--out", str(scratch / "out")]
    # What rewrites or makes again all that is committed has tests of its own.
    return ["--help"] if "--check" in words or name in ("reports.cost", "reports.readme") else words


def rehearse(line: str, scratch: Path) -> int:
    """Try a command without its hours; its exit status."""
    words = shlex.split(line)
    if "&&" in words:  # the last part is what is to be tried; those before install things
        words = words[-words[::-1].index("&&") :]
    if words[0] == "make":
        return subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True).returncode
    if words[:2] == ["swarmformer", "check"] and ":" not in words[2]:  # others have tests of their own
        (component,) = words[2:]
        assert registry.get(*component.split(".", 1))
        words = [*words[:2], "norm.none"]
    if words[0] == "swarmformer":
        name, *rest = words[1:]
        return MAINS[name](without_hours(name, rest, scratch)) if name in MAINS else cli.main(words[1:])
    assert words[:2] == ["python", "-m"], f"do not know how to try {line!r}"
    return MAINS[words[2]](without_hours(words[2], words[3:], scratch))


def folder_with_files(folder: Path) -> Path:
    """The files of the pages, and data as somebody may have it."""
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    tickets = [f"{number} is about {team},{team}\n" for number in range(30) for team in ("sales", "support")]
    (folder / "tickets.csv").write_text("message,team\n" + "".join(tickets), encoding="utf-8")
    return folder


@pytest.mark.parametrize("line", sorted({line for page in PAGES for line in commands(page)}))
def test_commands_work(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_signals: None) -> None:
    files = [name for name in FILES if name in line or f"{Path(name).stem}:" in line]
    if ("imdb" in line or any("bert" in FILES[name] for name in files)) and data_dir() is None:
        pytest.skip("needs SWARMFORMER_DATA for BERT's vocabulary")
    if line.startswith("make") and shutil.which("make") is None:
        pytest.skip("needs make")
    if line.startswith("python docs/"):
        pytest.skip("tests/docs/test_docs.py holds the pages to it")
    folder = folder_with_files(tmp_path / "files") if files else ROOT
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    assert rehearse(line, tmp_path) == 0


@pytest.mark.parametrize("block", [block for page in PAGES for block in blocks(page, "python")])
def test_python_runs(block: str, tmp_path: Path) -> None:
    done = run_forked("python", "-c", block, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120)
    assert done.returncode == 0, done.stderr


EVIDENCE = [RESULTS / name for name in ("README.md", "cost/README.md", "paper/table7.md")]
LINKING = [*PAGES, *sorted((ROOT / "docs" / "guide").glob("*.md")), *EVIDENCE]


def places(page: Path) -> set[str]:
    """What a link to a page can name after ``#``: anchors, and headings as GitHub turns them into anchors."""
    text = page.read_text(encoding="utf-8")
    headings = [re.sub(r"[^\w -]", "", heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    return {*re.findall(r'<a id="([^"]+)">', text), *(heading.lower().replace(" ", "-") for heading in headings)}


@pytest.mark.parametrize("page", LINKING, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8"))
    inner = ((target, place) for target, place in links if not target.startswith("http"))
    led = [(page.parent / target if target else page, place) for target, place in inner]
    assert [str(target) for target, _ in led if not target.exists()] == []
    assert [(str(target), place) for target, place in led if place and place not in places(target)] == []


def test_no_figure_of_the_results_is_typed_by_hand() -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    prose = re.sub(r"<!-- (.+?):begin -->.*?<!-- \1:end -->", "", text, flags=re.DOTALL)
    prose = re.sub(r"^swarmformer trace .+$", "", prose, flags=re.MULTILINE)  # test_answers holds these to the tables
    assert re.findall(r"\d[.,]\d+|\d+ ?%", prose) == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 172
