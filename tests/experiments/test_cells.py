"""The files of a cell and what they say about it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from experiments.cells import (
    CellError,
    cell_folder,
    cell_name,
    check_precision,
    grid_of,
    identity,
    load_config,
    prepare,
    status_of,
)
from experiments.owner import is_locked, lock_of
from experiments.status import Status
from swarmformer.records import CONFIG, FAILURE, PLAN, RESULT, TRIALS, Failure, Result, load, load_json, save, save_json
from swarmformer.spec import RunSpec, TrainSpec
from swarmformer.variants import resolve_run
from tests.committed import runs_of

[COMMITTED] = runs_of("streams").glob("original-s0-*")
SMALL = {"model": {"dims": {"d_model": 8, "seq_len": 16}}, "data": {"task": "listops"}}


@pytest.fixture
def spec() -> RunSpec:
    return resolve_run("base", [(SMALL, "test")], seed=3)


def test_status_follows_the_files(tmp_path: Path, spec: RunSpec) -> None:
    cell = tmp_path / "cell"
    assert status_of(cell) == (Status.PENDING, "")
    prepare(cell, "base", spec)
    assert status_of(cell) == (Status.INTERRUPTED, "")
    with lock_of(cell):
        assert status_of(cell) == (Status.RUNNING, "")
    save(cell / FAILURE, Failure(**identity("base", spec), cause="loss became nan", step=7))
    assert status_of(cell) == (Status.FAILED, "loss became nan")
    save(cell / RESULT, load(COMMITTED / RESULT, Result))
    assert status_of(cell) == (Status.COMPLETED, "")


def test_the_grid_of_a_cell_is_where_its_plan_lies(tmp_path: Path) -> None:
    grid = tmp_path / "grid"
    (grid / TRIALS).mkdir(parents=True)
    assert grid_of(grid / "base-s0-1") is None, "a run by itself"
    (grid / PLAN).touch()
    assert grid_of(grid / "base-s0-1") == grid_of(grid / TRIALS / "base-s100-1") == grid


def test_a_grid_may_be_called_as_the_folder_of_trials_is(tmp_path: Path) -> None:
    grid = tmp_path / TRIALS
    (grid / TRIALS).mkdir(parents=True)
    (grid / PLAN).touch()
    assert grid_of(grid / "base-s0-1") == grid_of(grid / TRIALS / "base-s100-1") == grid


def test_a_finished_cell_is_of_the_precision_that_is_fixed(tmp_path: Path, spec: RunSpec) -> None:
    save(tmp_path / RESULT, load(COMMITTED / RESULT, Result).model_copy(update={"precision": "bf16"}))
    fixed = spec.model_copy(update={"train": spec.train.model_copy(update={"precision": "fp32"})})
    check_precision(tmp_path, spec)
    with pytest.raises(CellError, match=r"computed in bf16, but train\.precision is fp32"):
        check_precision(tmp_path, fixed)


FIRST, LAST = {"name": "masked_tokens"}, {"name": "supervised"}


@pytest.mark.parametrize(("ran", "train", "fits"), [
    ("bf16+fp32", {"precision": "fp32", "stages": [{**FIRST, "precision": "bf16"}, LAST]}, True),
    ("fp32", {"precision": "bf16", "stages": [{**LAST, "precision": "fp32"}]}, True),
    ("bf16", {"precision": "bf16", "stages": [{**LAST, "precision": "fp32"}]}, False),
    ("bf16", {"precision": "fp32", "stages": [{**FIRST, "precision": "bf16"}, LAST]}, False),
    ("bf16", {"precision": "auto", "stages": [{**FIRST, "precision": "bf16"}, LAST]}, True),
    ("bf16", {"precision": "auto", "stages": [{**FIRST, "precision": "fp32"}, LAST]}, False),
])  # fmt: skip
def test_a_stage_may_fix_a_precision_of_its_own(
    tmp_path: Path, spec: RunSpec, ran: str, train: dict[str, Any], fits: bool
) -> None:
    save(tmp_path / RESULT, load(COMMITTED / RESULT, Result).model_copy(update={"precision": ran}))
    fixed = spec.model_copy(update={"train": TrainSpec.from_dict(train)})
    with nullcontext() if fits else pytest.raises(CellError, match=rf"computed in {ran}, but"):
        check_precision(tmp_path, fixed)


DAMAGED = ['{"schema": 1, "run_k', '{"schema": 99}', "[]"]
PLACES = [(name, text) for name in ("config.json", "result.json", "failure.json") for text in DAMAGED]


@pytest.mark.parametrize(("name", "content"), [*PLACES, ("config.json", '{"schema": 1}')])
def test_damaged_files_are_reported_and_left_alone(tmp_path: Path, spec: RunSpec, name: str, content: str) -> None:
    prepare(tmp_path, "base", spec)
    (tmp_path / name).write_text(content)
    status, cause = status_of(tmp_path)
    assert status is Status.UNREADABLE
    assert name in cause
    assert (tmp_path / name).read_text() == content


def test_a_lock_is_seen_by_others_and_goes_with_its_holder(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    with lock_of(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_config_round_trip(tmp_path: Path, spec: RunSpec) -> None:
    prepare(tmp_path, "an arm", spec)
    assert load_config(tmp_path) == ("an arm", spec)


def test_a_folder_of_another_run_is_refused(tmp_path: Path, spec: RunSpec) -> None:
    prepare(tmp_path, "base", spec)
    with pytest.raises(CellError, match=f"holds run {spec.run_key} seed 3; choose another"):
        prepare(tmp_path, "base", spec.model_copy(update={"seed": 4}))


def test_a_config_of_another_version_is_refused(tmp_path: Path, spec: RunSpec) -> None:
    prepare(tmp_path, "base", spec)
    config = load_json(tmp_path / "config.json")
    config["run_key"] = "0" * 16
    save_json(tmp_path / "config.json", config, 2)
    with pytest.raises(CellError, match="written by another version"):
        load_config(tmp_path)
    status, cause = status_of(tmp_path)
    assert status is Status.UNREADABLE and "another version" in cause


def test_an_edited_specification_is_reported(tmp_path: Path, spec: RunSpec) -> None:
    prepare(tmp_path, "base", spec)
    config = load_json(tmp_path / "config.json")
    config["spec"]["train"]["epoch"] = 3
    save_json(tmp_path / "config.json", config, 2)
    status, cause = status_of(tmp_path)
    assert status is Status.UNREADABLE and "Did you mean 'epochs'" in cause


def test_what_cannot_change_a_result_may_change(tmp_path: Path, spec: RunSpec) -> None:
    prepare(tmp_path, "base", spec)
    rarer = spec.model_copy(update={"train": spec.train.model_copy(update={"checkpoint_seconds": 5.0})})
    prepare(tmp_path, "base", rarer)
    assert load_config(tmp_path)[1].train.checkpoint_seconds == 5.0


def test_cell_names_are_safe_and_tell_runs_apart(spec: RunSpec) -> None:
    name = cell_name("my arm/../x", spec)
    assert "/" not in name and " " not in name
    assert name != cell_name("my arm/../x", spec.model_copy(update={"seed": 4}))


def test_long_names_are_cut_to_what_a_file_system_takes_and_stay_apart(tmp_path: Path, spec: RunSpec) -> None:
    other = spec.model_copy(update={"train": spec.train.model_copy(update={"epochs": 99})})
    for arm in ("x" * 300, "平均" * 150):
        folders = [cell_folder(tmp_path, arm, run) for run in (spec, other, spec.model_copy(update={"seed": 4}))]
        for folder in folders:
            folder.mkdir()
            assert len(folder.name.encode()) < 140
        prepare(folders[0], arm, spec)
        assert load_config(folders[0]) == (arm, spec)


def test_a_cell_under_the_name_of_an_older_version_is_continued(
    tmp_path: Path, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = "0123456789abcdef"
    assert cell_folder(tmp_path, "base", spec).name == cell_name("base", spec)
    former = tmp_path / cell_name("base", spec, old)
    prepare(former, "base", spec)
    config = load_json(former / CONFIG)
    save_json(former / CONFIG, {**config, "run_key": old}, 2)
    assert status_of(former)[0] is Status.UNREADABLE
    monkeypatch.setattr("swarmformer.records.aliases.aliases", lambda: {old: spec.run_key})
    monkeypatch.setattr("swarmformer.records.aliases.former_by_key", lambda: {spec.run_key: [old]})
    assert cell_folder(tmp_path, "base", spec) == former
    assert load_config(former) == ("base", spec) and status_of(former)[0] is Status.INTERRUPTED
    prepare(former, "base", spec)
    cell_folder(tmp_path, "base", spec.model_copy(update={"seed": 4}))
    today = tmp_path / cell_name("base", spec)
    today.mkdir()
    assert cell_folder(tmp_path, "base", spec) == today
