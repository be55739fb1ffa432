"""A grid sealed into one file is the grid: byte for byte, answer for answer, table for table."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments import grid as command
from reports.definition import read_definitions
from reports.errors import ReportError
from reports.report import make_report
from reports.site.make import make_site
from reports.study.build import study
from reports.study.read import read_runs
from swarmformer.records import (
    ANSWERS,
    ARCHIVE,
    CONFIG,
    CURVE,
    PRECISION,
    PREDICTIONS,
    RESULT,
    TRIAL,
    TRIALS,
    ArchiveError,
    ChosenPrecision,
    Precisions,
    Trial,
    UnreadableFileError,
    archive,
    load,
    opened,
    read_answers,
    read_curve,
    save,
    seal,
    unseal,
)
from tests.records.test_integrity import finished, flipped
from tests.reports import synthetic_runs as runs
from tests.reports.many_cells import finish, write_grid_file


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Two finished cells, one of them with predictions, a failed one, and floors."""
    folder = runs.write_grid(tmp_path / "runs" / "demo", {"base": {0: 0.75}, "x": {0: 0.5, 1: 0.6}}, [0, 1])
    runs.write_cell(folder, runs.failure("base", 1, "loss is nan"))
    runs.write(folder / "floors.json", runs.floors("majority"))
    chosen = ChosenPrecision(precision="bf16", run_key="0" * 16, rates="products at 1 GFLOP/s in fp32, 2 in bf16")
    save(folder / PRECISION, Precisions(chosen={"some GPU": chosen}))
    finished(folder / "base-0")
    (folder / "base-0" / "checkpoint.safetensors").write_bytes(b"not kept")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three arms with two seeds as a grid leaves them: with sacred's records, weights, what a retry set aside."""
    place = tmp_path_factory.mktemp("trained")
    folder = place / "runs" / "many"
    finish(write_grid_file(place / "many.yaml", 3, 2), folder)
    for cell in (path.parent for path in folder.glob("*/config.json")):
        for below in (cell / "sacred" / "1", cell / "model"):
            below.mkdir(parents=True)
            shutil.copy(cell / CONFIG, below / CONFIG)
    runs.write(next(folder.glob("*/result.json")).parent / "failure-1.json", {"schema": 1, "cause": "out of memory"})
    return folder


def test_a_trained_grid_is_sealed_and_reported_as_its_folder_is(trained: Path, tmp_path: Path) -> None:
    home = tmp_path / "many"
    sealed = seal(trained, home)
    assert sealed.left_out == () and len(sealed.weights) == 6
    again = opened(home)
    assert len(list(again.glob("*/failure-1.json"))) == 1 and not list(again.rglob("sacred"))
    definitions = read_definitions(only=["arms", "table2", "table5", "figure1", "figure3"])
    reports = [make_report(study([folder]), definitions, folder / "report") for folder in (trained, home)]
    assert reports[0].files == reports[1].files and len(reports[0].files) > 12
    sites = [make_site(study([folder]), definitions) for folder in (trained, home)]
    assert sites[0]["index.html"] == sites[1]["index.html"]


def test_a_grid_that_was_laid_out_can_be_sealed_again(trained: Path, tmp_path: Path) -> None:
    first = seal(trained, tmp_path / "one").path
    unseal(first, tmp_path / "out")
    second = seal(tmp_path / "out", tmp_path / "two").path
    assert pq.read_table(first).equals(pq.read_table(second))


def test_trials_come_along(grid: Path, tmp_path: Path) -> None:
    config = {**runs.config("x", 100), "trial": True}
    runs.write(grid / TRIALS / "x-100" / CONFIG, config)
    measures = {"accuracy": 0.6, "precision": 0.5, "recall": 0.5, "f1": 0.5, "loss": 1.0, "n": 40}
    trial = {key: config[key] for key in ("run_key", "arm", "seed", "variant")} | {
        "schema": 1, "status": "COMPLETED", "task": "listops", "validation": measures, "data_key": "d",
        "code_revision": "c", "device": "cpu", "seconds": {"train": 1.0, "total": 2.0},
    }  # fmt: skip
    written = Trial.model_validate_json(json.dumps(trial))
    save(grid / TRIALS / "x-100" / TRIAL, written)
    seal(grid, tmp_path / "sealed")
    assert load(opened(tmp_path / "sealed") / TRIALS / "x-100" / TRIAL, Trial) == written


@pytest.mark.parametrize("name", ["plan.json", "floors.json", "x-0/result.json", "x-0/config.json", "x-0/curve.jsonl"])
def test_a_damaged_record_is_not_sealed_as_good(name: str, grid: Path, tmp_path: Path) -> None:
    (grid / name).write_text('{"schema": 1, "kind"', encoding="utf-8")
    if name.endswith("curve.jsonl"):
        (grid / name).write_text("{}\n{}\n", encoding="utf-8")
    with pytest.raises(UnreadableFileError, match=re.escape(name)):
        seal(grid, tmp_path / "sealed")
    assert not (tmp_path / "sealed").exists()


def test_a_curve_of_another_run_is_not_sealed(grid: Path, tmp_path: Path) -> None:
    """It can be read as any other, and is not the one that the result was written with."""
    path = grid / "base-0" / CURVE
    path.write_text(path.read_text().replace('"epoch": 1', '"epoch": 2'))
    assert [line.model_dump()["epoch"] for line in read_curve(path.parent)] == [2]
    with pytest.raises(UnreadableFileError, match="not the file that the cell's result was written with"):
        seal(grid, tmp_path / "sealed")
    assert not (tmp_path / "sealed").exists()


def test_predictions_of_a_failed_cell_stay_where_they_are(grid: Path, tmp_path: Path) -> None:
    shutil.copy(grid / "base-0" / PREDICTIONS, grid / "base-1" / PREDICTIONS)
    seal(grid, tmp_path / "sealed")
    assert not (opened(tmp_path / "sealed") / "base-1" / ANSWERS).exists()


def test_a_grid_is_not_sealed_into_itself(grid: Path, tmp_path: Path) -> None:
    for out in (grid, grid / "sealed"):
        with pytest.raises(ArchiveError, match="within the grid's own folder"):
            seal(grid, out)
    with pytest.raises(ArchiveError, match="no folder of cells"):
        seal(grid.parent, tmp_path / "sealed")


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
    with pytest.raises(ReportError, match=r"sealed into runs\.parquet") as error:
        read_runs([sealed / "base-0"])
    advice = str(error.value).partition("swarmformer grid ")[2].replace("DIR", str(tmp_path / "again"))
    assert command.main(shlex.split(advice)) == 0 and (tmp_path / "again" / "base-0" / RESULT).is_file()


@pytest.mark.parametrize("stride", [1201, pytest.param(67, marks=pytest.mark.slow)])
def test_no_byte_of_an_archive_changes_unseen(stride: int, grid: Path, tmp_path: Path) -> None:
    path, out = seal(grid, tmp_path / "sealed").path, tmp_path / "out"
    unseal(path.parent, out)
    whole, found, expected = path.read_bytes(), 0, files(out)
    for bit in range(0, 8 * len(whole), stride):
        path.write_bytes(flipped(whole, bit))
        shutil.rmtree(out)
        try:
            unseal(path.parent, out)
        except UnreadableFileError:
            found += 1
            assert not out.exists(), "whole, or not at all"
            out.mkdir()
        else:
            assert {name: text for name, text in files(out).items() if not name.endswith(".npz")} == {
                name: text for name, text in expected.items() if not name.endswith(".npz")
            }
            result_of = read_answers(out / "base-0")
            assert result_of is not None and result_of.given.tolist() == [1, 0, 1, 0]
    assert found > 5


def test_a_cell_that_still_runs_is_refused_or_left_out(grid: Path, tmp_path: Path) -> None:
    runs.write(grid / "x-1" / CONFIG, runs.config("x", 1))
    (grid / "x-1" / RESULT).unlink()
    shutil.rmtree(grid / "x-0")
    with pytest.raises(ArchiveError, match=r"x-0 and 1 more: neither finished nor failed.*--finished-only"):
        seal(grid, tmp_path / "sealed")
    assert not (tmp_path / "sealed").exists()
    assert seal(grid, tmp_path / "sealed", finished_only=True).left_out == ("x-0", "x-1")
    assert sorted(path.name for path in opened(tmp_path / "sealed").iterdir() if path.is_dir()) == ["base-0", "base-1"]
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


FOREIGN: list[tuple[dict[str, Any], str]] = [
    ({"cell": "../out"}, "no folder of a cell"), ({"cell": "/etc"}, "no folder of a cell"),
    ({"cell": ".."}, "no folder of a cell"), ({"cell": r"..\..\out"}, "no folder of a cell"),
    ({"cell": "C:x"}, "no folder of a cell"), ({"cell": "a/b"}, "no folder of a cell"),
    ({"cell": "a\0b"}, "no folder of a cell"), ({"cell": None}, "without cell or file"),
    ({"cell": "a", "file": "run.sh"}, "no file of a grid"), ({"cell": "a", "file": "../b"}, "no file of a grid"),
    ({"content": None}, "no file of a grid"), ({"sha256": "0" * 64}, "its checksum differs"),
    ({"cell": "", "file": "asked"}, "no set of examples"), ({"cell": "a", "file": PREDICTIONS}, "no answers"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), FOREIGN)
def test_what_no_grid_wrote_is_not_laid_out(change: dict[str, Any], reason: str, grid: Path, tmp_path: Path) -> None:
    path = seal(grid, tmp_path / "sealed").path
    table = pq.read_table(path)
    rows = sorted(table.to_pylist(), key=lambda row: row["file"] == CONFIG)  # what is wrong comes last
    pq.write_table(table.from_pylist([*rows[:-1], {**rows[-1], **change}], schema=table.schema), path)
    with pytest.raises(UnreadableFileError, match=reason):
        unseal(tmp_path / "sealed", tmp_path / "out")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["runs", "sealed"]


def test_a_row_that_comes_twice_and_a_bomb_are_refused(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = seal(grid, tmp_path / "sealed").path
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), path)
    with pytest.raises(UnreadableFileError, match="is in it twice"):
        unseal(path, tmp_path / "out")
    pq.write_table(table, path)
    monkeypatch.setattr(archive, "LARGEST", 1000)
    with pytest.raises(UnreadableFileError, match="would unpack to more than 1,000 bytes"):
        unseal(path, tmp_path / "out")


def test_what_could_not_be_opened_again_is_not_sealed(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LARGEST", 1000)
    with pytest.raises(ArchiveError, match=r"could not be opened again: would unpack to more than 1,000 bytes"):
        seal(grid, tmp_path / "new" / "sealed")
    assert not list((tmp_path / "new").iterdir())


def test_a_grid_is_laid_out_in_a_new_folder_alone(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived = seal(grid, tmp_path / "sealed").path
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArchiveError, match=f"{tmp_path / 'file'}: is a file; name a new folder"):
        unseal(archived, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ArchiveError, match="is the folder that you are in"):
        unseal(archived, Path("."))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "here", "runs", "sealed"]


def test_answers_must_be_to_the_examples_beside_them(grid: Path, tmp_path: Path) -> None:
    path = seal(grid, tmp_path / "sealed").path
    table = pq.read_table(path)
    rows = [{**row, "answers": row["answers"] and row["answers"][:2]} for row in table.to_pylist()]
    pq.write_table(table.from_pylist(rows, schema=table.schema), path)
    with pytest.raises(UnreadableFileError, match="not what was written"):
        unseal(path, tmp_path / "out")
    whole = seal(grid, tmp_path / "whole").path
    unseal(whole, tmp_path / "out")
    answers = next((tmp_path / "out" / "base-0").glob(ANSWERS))
    with np.load(answers) as stored:
        np.savez(answers, asked=stored["asked"], given=stored["given"][:2])
    with pytest.raises(UnreadableFileError, match="no answers to the examples"):
        read_answers(answers.parent)


@pytest.mark.parametrize(("column", "values"), [("labels", [1, 0, 0, 1]), ("names", [b"a", b"b", b"c", b"e"])])
def test_examples_that_were_changed_are_no_longer_what_was_written(
    column: str, values: list[Any], grid: Path, tmp_path: Path
) -> None:
    path = seal(grid, tmp_path / "sealed").path
    table = pq.read_table(path)
    rows = [{**row, column: row[column] and values} for row in table.to_pylist()]
    changed = table.from_pylist(rows, schema=table.schema)
    assert changed != table
    pq.write_table(changed, path)
    with pytest.raises(UnreadableFileError, match="not what was written"):
        unseal(path, tmp_path / "out")


def test_the_command_seals_lays_out_and_refuses_to_run(
    grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    assert command.main(["seal", "demo", "--runs", str(grid.parent), str(kept / "demo")]) == 0
    assert f"{kept / 'demo' / ARCHIVE}: " in capsys.readouterr().out
    assert command.main(["run", "demo", "--runs", str(kept)]) == 1
    assert f"grid unseal {kept / 'demo'} DIR" in capsys.readouterr().err
    assert command.main(["status", "demo", "--runs", str(kept)]) == 0
    shown = capsys.readouterr()
    assert "COMPLETED 3" in shown.out and "/tmp/swarmformer-runs" not in shown.out + shown.err
    assert command.main(["unseal", str(kept / "demo"), str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "x-0" / RESULT).read_bytes() == (grid / "x-0" / RESULT).read_bytes()
    assert command.main(["unseal", str(kept / "demo" / ARCHIVE), str(tmp_path / "again")]) == 1
    assert "something in it already" in capsys.readouterr().err
