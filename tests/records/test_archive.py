"""A grid sealed into one file is the grid: byte for byte, answer for answer, table for table."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments import grid as command
from reports.definition import read_definitions
from reports.errors import ReportError
from reports.report import make_report
from reports.study.build import study
from reports.study.read import read_runs
from swarmformer.records import (
    ANSWERS,
    ARCHIVE,
    CONFIG,
    PREDICTIONS,
    RESULT,
    ArchiveError,
    UnreadableFileError,
    opened,
    read_answers,
    seal,
    unseal,
)
from tests.records.test_integrity import finished, flipped
from tests.reports import synthetic_runs as runs


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Two finished cells, one of them with predictions, a failed one, and floors."""
    folder = runs.write_grid(tmp_path / "runs" / "demo", {"base": {0: 0.75}, "x": {0: 0.5, 1: 0.6}}, [0, 1])
    runs.write_cell(folder, runs.failure("base", 1, "loss is nan"))
    runs.write(folder / "floors.json", runs.floors("majority"))
    finished(folder / "base-0")
    (folder / "base-0" / "checkpoint.safetensors").write_bytes(b"not kept")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_record_comes_back_byte_for_byte_and_predictions_as_answers(grid: Path, tmp_path: Path) -> None:
    before = files(grid)
    seal(grid, tmp_path / "sealed")
    assert files(grid) == before
    unseal(tmp_path / "sealed", tmp_path / "out")
    after = files(tmp_path / "out")
    kept = {name: content for name, content in before.items() if not name.endswith((PREDICTIONS, ".safetensors"))}
    assert {name: after.pop(name) for name in kept} == kept
    assert sorted(Path(name).name[:5] for name in after) == ["answe", "asked"]
    asked, again = (read_answers(folder / "base-0") for folder in (grid, tmp_path / "out"))
    assert asked is not None and again is not None and asked.asked.are(again.asked)
    assert np.array_equal(asked.given, again.given)


def test_a_report_of_a_sealed_grid_is_that_of_its_folder(grid: Path, tmp_path: Path) -> None:
    sealed = tmp_path / "elsewhere" / "demo"
    seal(grid, sealed)
    first, second = (make_report(study([folder]), read_definitions(only=["arms"]), folder / "report").files
                     for folder in (grid, sealed))  # fmt: skip
    assert first == second
    with pytest.raises(ReportError, match=r"sealed into runs\.parquet.*unseal"):
        read_runs([sealed / "base-0"])


def test_no_byte_of_an_archive_changes_unseen(grid: Path, tmp_path: Path) -> None:
    path, out = seal(grid, tmp_path / "sealed"), tmp_path / "out"
    unseal(path.parent, out)
    whole, found, expected = path.read_bytes(), 0, files(out)
    for bit in range(0, 8 * len(whole), 409):
        path.write_bytes(flipped(whole, bit))
        shutil.rmtree(out)
        try:
            unseal(path.parent, out)
        except UnreadableFileError:
            found += 1
            out.mkdir(exist_ok=True)
        else:
            assert {name: text for name, text in files(out).items() if not name.endswith(".npz")} == {
                name: text for name, text in expected.items() if not name.endswith(".npz")
            }
            result_of = read_answers(out / "base-0")
            assert result_of is not None and result_of.given.tolist() == [1, 0, 1, 0]
    assert found > 30


def test_a_cell_that_still_runs_is_refused_or_left_out(grid: Path, tmp_path: Path) -> None:
    runs.write(grid / "x-1" / CONFIG, runs.config("x", 1))
    (grid / "x-1" / RESULT).unlink()
    with pytest.raises(ArchiveError, match=r"x-1: neither finished nor failed.*--finished-only"):
        seal(grid, tmp_path / "sealed")
    assert not (tmp_path / "sealed").exists()
    seal(grid, tmp_path / "sealed", finished_only=True)
    assert sorted(path.name for path in opened(tmp_path / "sealed").iterdir() if path.is_dir()) == [
        "base-0", "base-1", "x-0",
    ]  # fmt: skip
    with pytest.raises(ArchiveError, match="is there already"):
        seal(grid, tmp_path / "sealed", finished_only=True)


def test_answers_of_another_result_are_refused(grid: Path, tmp_path: Path) -> None:
    seal(grid, tmp_path / "sealed")
    folder = opened(tmp_path / "sealed") / "base-0"
    result = finished(tmp_path / "other")
    worse = result.metrics.test.model_copy(update={"accuracy": 0.5})
    changed = result.model_copy(update={"metrics": result.metrics.model_copy(update={"test": worse})})
    assert read_answers(folder, result) is not None and (folder / ANSWERS).is_file()
    with pytest.raises(UnreadableFileError, match=r"gives accuracy 0\.75, but result\.json says 0\.5"):
        read_answers(folder, changed)


@pytest.mark.parametrize(("cell", "file"), [("../out", CONFIG), ("/etc", CONFIG), ("", "run.sh"), ("a", "../b")])
def test_nothing_is_laid_out_beside_the_folder(cell: str, file: str, grid: Path, tmp_path: Path) -> None:
    path = seal(grid, tmp_path / "sealed")
    table = pq.read_table(path)
    rows = [{**row, "cell": cell, "file": file} for row in table.slice(0, 1).to_pylist()]
    pq.write_table(table.from_pylist(rows, schema=table.schema), path)
    with pytest.raises(UnreadableFileError, match="no file of a grid"):
        unseal(tmp_path / "sealed", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_seals_lays_out_and_refuses_to_run(
    grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    assert command.main(["seal", "demo", "--runs", str(grid.parent), str(kept / "demo")]) == 0
    assert f"{kept / 'demo' / ARCHIVE}: " in capsys.readouterr().out
    assert command.main(["run", "demo", "--runs", str(kept)]) == 1
    assert "grid unseal demo" in capsys.readouterr().err
    assert command.main(["unseal", "demo", "--runs", str(kept), str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "x-0" / RESULT).read_bytes() == (grid / "x-0" / RESULT).read_bytes()
    assert command.main(["unseal", "demo", "--runs", str(kept), str(tmp_path / "again")]) == 1
    assert "something in it already" in capsys.readouterr().err
