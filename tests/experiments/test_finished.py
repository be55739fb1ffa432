"""A grid with nothing left to run is known without torch; whatever its plan or its cells are made of is looked at."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import finished as finishing
from experiments.finished import FINISHED, finished_plan, remember
from experiments.index import Index
from experiments.plan import Plan, load_plan
from swarmformer import records
from swarmformer.records import COSTS, FLOORS, PLAN, RESULT
from swarmformer.variants import resolve_run
from tests.reports import synthetic_runs as runs
from tests.reports.many_cells import finish, write_grid_file

ARMS, SEEDS = 3, 2


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    folder = tmp_path_factory.mktemp("finished")
    grid = write_grid_file(folder / "many.yaml", ARMS, SEEDS)
    return folder, finish(grid, folder / "runs" / "many")


@pytest.fixture
def place(made: tuple[Path, Plan], tmp_path: Path) -> Path:
    """Grid file and runs of a finished grid, which is remembered as such."""
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    remember(made[1], tmp_path / "runs" / "many")
    return tmp_path


def known(place: Path) -> records.Plan | None:
    folder = place / "runs" / "many"
    return finished_plan(place / "many.yaml", folder, Index(folder))


def test_a_finished_grid_is_known(place: Path) -> None:
    plan = known(place)
    assert plan is not None and len(plan.cells) == ARMS * SEEDS
    assert plan == load_plan(place / "many.yaml").record(place / "runs" / "many")


@pytest.mark.waits
def test_running_it_again_needs_no_torch(place: Path) -> None:
    code = ("import sys; from experiments.grid import main\n"
            "assert main(sys.argv[1:]) == 0 and 'torch' not in sys.modules")  # fmt: skip
    words = [sys.executable, "-c", code, "run", str(place / "many.yaml"), "--runs", str(place / "runs")]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[0] == f"COMPLETED {ARMS * SEEDS}"


def _cell(folder: Path) -> Path:
    return next(path for path in sorted(folder.iterdir()) if path.is_dir())


def _other_floors(folder: Path) -> None:
    floors = records.load(folder / FLOORS, records.Floors)
    records.save(folder / FLOORS, floors.model_copy(update={"data_key": "of other data"}))


def _other_splits(folder: Path) -> None:
    floors = records.load(folder / FLOORS, records.Floors)
    records.save(folder / FLOORS, floors.model_copy(update={"seeds": (90, 91)}))


def _other_plan(folder: Path) -> None:
    plan = records.load(folder / PLAN, records.Plan)
    records.save(folder / PLAN, plan.model_copy(update={"cells": plan.cells[:1]}))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a result is gone": lambda folder: (_cell(folder) / RESULT).unlink(),
    "a result is damaged": lambda folder: (_cell(folder) / RESULT).write_text("{}"),
    "a cell is gone": lambda folder: shutil.rmtree(_cell(folder)),
    "the plan is another": _other_plan,
    "the plan is damaged": lambda folder: (folder / PLAN).write_text("{"),
    "the floors are gone": lambda folder: (folder / FLOORS).unlink(),
    "the floors are of other data": _other_floors,
    "the floors are of other splits": _other_splits,
    "the grid file is another": lambda folder: write_grid_file(folder.parents[1] / "many.yaml", ARMS, SEEDS + 1),
    "what was remembered is gone": lambda folder: (folder / FINISHED).unlink(),
    "what was remembered is no mapping": lambda folder: (folder / FINISHED).write_text("[1]"),
    "what was remembered is cut": lambda folder: (folder / FINISHED).write_text('{"made_of": {'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_grid_that_may_have_something_to_do_is_resolved(place: Path, change: str) -> None:
    assert known(place) is not None
    CHANGES[change](place / "runs" / "many")
    assert known(place) is None


def test_latency_that_is_wanted_must_be_there_for_every_arm(made: tuple[Path, Plan], place: Path) -> None:
    folder, keys = place / "runs" / "many", [arm.run_key for arm in made[1].arms]
    written = json.loads((folder / FINISHED).read_text())
    runs.write(folder / FINISHED, {**written, "timed": [(key, "forward", 1) for key in keys]})
    assert known(place) is None, "no costs.json"
    for covered, there in ((keys[:-1], False), (keys, True)):
        rows = [{**runs.latency(key, 1), "run_key": key} for key in covered]
        runs.write(folder / COSTS, runs.costs(*rows))
        assert (known(place) is not None) == there


def test_sources_that_changed_resolve_the_grid_anew(
    made: tuple[Path, Plan], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the library and those of whoever supplied a part; a file that is added counts too."""
    folder, library, supplier = place / "runs" / "many", place / "library", place / "supplier.py"
    (library / "inner").mkdir(parents=True)
    (library / "inner" / "one.py").write_text("ONE = 1\n")
    supplier.write_text("VERSION = 1\n")
    monkeypatch.setattr(finishing, "SOURCES", (library,))
    monkeypatch.setattr(finishing, "_sources_of", lambda spec: [supplier])
    remember(made[1], folder)
    assert known(place) is not None
    for path, text in ((supplier, "VERSION = 2\n"), (library / "inner" / "two.py", "TWO = 2\n")):
        path.write_text(text)
        assert known(place) is None
        remember(made[1], folder)
        assert known(place) is not None
    supplier.unlink()
    assert known(place) is None


def test_helpers_of_a_part_of_ones_own_are_among_its_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "helper_of_part.py").write_text("SCALE = 2\n")
    (tmp_path / "part_with_helper.py").write_text(
        "from helper_of_part import SCALE\nfrom swarmformer.components.local.identity import Identity\n"
        "class Scaled(Identity):\n    pass\n"
    )
    spec = resolve_run("base", [({"data": {"task": "digits"}, "model": {"local": "part_with_helper:Scaled"}}, "test")])
    sources = [path.name for path in finishing._sources_of(spec)]
    assert sources == ["part_with_helper.py", "helper_of_part.py"]


def test_a_grid_of_own_files_is_never_remembered(made: tuple[Path, Plan], tmp_path: Path) -> None:
    """Another file may mean other classes, and with them other runs."""
    spec = made[1].arms[0].spec
    for data in ({"tokenizer": str(tmp_path / "tokenizer.json")},
                 {"task": spec.data.task.model_copy(update={"name": "files"})},
                 {"task": spec.data.task.model_copy(update={"options": {"train": "~/pictures"}})}):  # fmt: skip
        other = spec.model_copy(update={"data": spec.data.model_copy(update=data)})
        assert finishing._is_of_files(other)
    assert not finishing._is_of_files(spec)
