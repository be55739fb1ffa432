"""The registered plan: written before the first run, fixed from then on; and what arms of a plan have in common."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments import grid
from experiments.data import load_data
from experiments.plan import load_plan
from experiments.plan.registration import register, registrations
from experiments.runner import run_cell
from swarmformer.records import (
    CONFIG,
    EXTENDED,
    REGISTERED,
    Config,
    Environment,
    Spec,
    UnreadableFileError,
    load,
    load_json,
    save,
)
from swarmformer.training.loop import Trainer
from tests.experiments.conftest import run_module

Grid = Callable[..., Path]


def registered(folder: Path) -> dict[str, Any]:
    return load_json(folder / REGISTERED)


def test_the_hash_is_over_what_the_plan_decides(tiny_grid: Grid, tmp_path: Path) -> None:
    plan = load_plan(tiny_grid(primary={"margin": 0.3}))
    found = register(plan, tmp_path)
    record = registered(tmp_path)
    keys = ("grid", "base", "seeds", "designs", "matched", "primary", "cells")
    text = json.dumps({key: record["plan"][key] for key in keys}, sort_keys=True, separators=(",", ":"),
                      ensure_ascii=False)  # fmt: skip
    assert found == record["hash"] == record["plan"]["hash"] == hashlib.sha256(text.encode()).hexdigest()
    assert record["plan"]["primary"] == {"metric": "accuracy", "margin_points": 0.3}


@pytest.mark.parametrize("change", [{"seeds": [0, 1, 2]}, {"primary": {"margin": 0.5}}, {"base": None}])
def test_another_decision_is_another_hash(tiny_grid: Grid, tmp_path: Path, change: dict[str, Any]) -> None:
    before = load_plan(tiny_grid()).record(tmp_path).hash
    assert load_plan(tiny_grid(description="other words")).record(tmp_path).hash == before
    assert load_plan(tiny_grid(**change)).record(tmp_path).hash != before


def test_a_plan_may_change_until_a_cell_has_started(
    tiny_grid: Grid, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = register(load_plan(tiny_grid(primary={"margin": 0.3})), tmp_path)
    second = register(load_plan(tiny_grid(primary={"margin": 0.5})), tmp_path)
    assert first != second == registered(tmp_path)["hash"]
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / "config.json").write_text("{}")
    before = (tmp_path / REGISTERED).read_bytes()
    assert register(load_plan(tiny_grid(primary={"margin": 0.9})), tmp_path) == second
    assert (tmp_path / REGISTERED).read_bytes() == before and "runs have started" in caplog.text


def begin(folder: Path, *seeds: int) -> None:
    """Cells of these seeds that have started."""
    for seed in seeds:
        spec = Spec(model={}, data={"task": {"name": "toy"}}, train={})
        config = Config(arm="base", seed=seed, run_key="0" * 16, spec=spec)
        (folder / f"base-s{seed}").mkdir(parents=True)
        save(folder / f"base-s{seed}" / CONFIG, config)


def test_further_seeds_are_registered_before_their_runs(tiny_grid: Grid, tmp_path: Path) -> None:
    first = register(load_plan(tiny_grid(seeds=[0, 1])), tmp_path)
    begin(tmp_path, 0)
    before = (tmp_path / REGISTERED).read_bytes()
    second = register(load_plan(tiny_grid(seeds=[0, 1, 2])), tmp_path)
    third = register(load_plan(tiny_grid(seeds=[0, 1, 2, 5, 6])), tmp_path)
    assert register(load_plan(tiny_grid(seeds=[0, 1, 2, 5, 6])), tmp_path) == third
    assert (tmp_path / REGISTERED).read_bytes() == before
    found = registrations(tmp_path)
    assert [one.hash for one in found] == [first, second, third] and len({first, second, third}) == 3
    assert [one.plan.seeds for one in found] == [(0, 1), (0, 1, 2), (0, 1, 2, 5, 6)]


@pytest.mark.parametrize("last", [[0, 1], [0, 1, 3], [0, 1, 2, 3]])
def test_seeds_of_which_no_run_has_started_may_be_others_or_be_taken_back(
    tiny_grid: Grid, tmp_path: Path, last: list[int]
) -> None:
    register(load_plan(tiny_grid(seeds=[0, 1])), tmp_path)
    begin(tmp_path, 0)
    register(load_plan(tiny_grid(seeds=[0, 1, 2, 7])), tmp_path)
    plan = load_plan(tiny_grid(seeds=last))
    found = register(plan, tmp_path)
    assert found == plan.record(tmp_path).hash
    assert [list(one.plan.seeds) for one in registrations(tmp_path)] == [[0, 1], *([last] if len(last) > 2 else [])]
    assert (tmp_path / EXTENDED).exists() == (len(last) > 2)


def test_seeds_that_have_a_run_stay_registered(tiny_grid: Grid, tmp_path: Path) -> None:
    register(load_plan(tiny_grid(seeds=[0, 1])), tmp_path)
    begin(tmp_path, 0)
    extended = register(load_plan(tiny_grid(seeds=[0, 1, 2])), tmp_path)
    begin(tmp_path, 2)
    for seeds in ([0, 1], [0, 1, 3]):
        assert register(load_plan(tiny_grid(seeds=seeds)), tmp_path) == extended
    assert [list(one.plan.seeds) for one in registrations(tmp_path)] == [[0, 1], [0, 1, 2]]


MORE: dict[str, dict[str, Any]] = {
    "fewer": {"seeds": [0]},
    "others": {"seeds": [0, 2]},
    "begun": {"seeds": [0, 1, 3]},
    "margin": {"seeds": [0, 1, 2], "primary": {"margin": 0.5}},
    "an arm": {"seeds": [0, 1, 2], "arms": ["base", "base+tied_qkv", "base+gumbel"]},
    "a setting": {"seeds": [0, 1, 2], "train": {"epochs": 3}},
}


@pytest.mark.parametrize("case", MORE)
def test_nothing_but_seeds_that_have_not_begun_is_registered_later(
    tiny_grid: Grid, tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = register(load_plan(tiny_grid(seeds=[0, 1])), tmp_path)
    begin(tmp_path, 0, 3)
    assert register(load_plan(tiny_grid(**MORE[case])), tmp_path) == first
    assert not (tmp_path / EXTENDED).exists() and "is not registered" in caplog.text.replace("\n", " ")


def test_a_grid_without_runs_begins_anew(tiny_grid: Grid, tmp_path: Path) -> None:
    register(load_plan(tiny_grid(seeds=[0])), tmp_path)
    begin(tmp_path, 0)
    register(load_plan(tiny_grid(seeds=[0, 1])), tmp_path)
    shutil.rmtree(tmp_path / "base-s0")
    last = register(load_plan(tiny_grid(seeds=[0, 1, 2])), tmp_path)
    assert [one.hash for one in registrations(tmp_path)] == [last]


def test_a_registration_that_cannot_be_read_is_left_alone(tiny_grid: Grid, tmp_path: Path) -> None:
    (tmp_path / REGISTERED).write_text("{")
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        register(load_plan(tiny_grid()), tmp_path)
    assert (tmp_path / REGISTERED).read_text() == "{"


def test_plan_registers_and_says_so(tiny_grid: Grid, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    design = {"kind": "one_in", "base": "base", "factors": ["pyramid"]}
    deep = {"dims": {"d_model": 8, "num_layers": 2, "cluster_size": 4, "seq_len": 16}}
    path = tiny_grid(primary={"margin": 0.3}, designs=[design], arms=[], model=deep)
    assert grid.main(["plan", str(path), "--runs", str(tmp_path / "runs")]) == 0
    said = capsys.readouterr().out
    assert "one_in design: 2 arms, base base, factors pyramid" in said
    assert "equivalent within ±0.3 points" in said and "registered as" in said
    assert registered(tmp_path / "runs" / "tiny")["hash"][:12] in said


def test_runs_start_after_their_registration(tiny_grid: Grid, tmp_path: Path) -> None:
    done = run_module("experiments.grid", "run", tiny_grid(seeds=[0]), "--runs", tmp_path / "runs", "--workers", "1")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "tiny"
    begun = [load_json(path)["started_at"] for path in folder.glob("*/result.json")]
    at = datetime.fromisoformat(registered(folder)["registered_at"])
    assert len(begun) == 2 and all(datetime.fromisoformat(time) >= at for time in begun)
    assert registered(folder)["hash"] == load_json(folder / "plan.json")["hash"]


def test_arms_share_the_weights_of_common_components_and_the_order_of_data(tiny_grid: Grid, tmp_path: Path) -> None:
    plan = load_plan(tiny_grid(arms=["base", "base+tied_qkv+layer_norm"]))
    trainers = []
    for cell in list(plan.cells())[:2]:
        folder = cell.folder(tmp_path)
        folder.mkdir()
        trainers.append(Trainer(cell.spec, load_data(cell.spec), torch.device("cpu"), folder))
    base, other = (dict(trainer.model.named_parameters()) for trainer in trainers)
    common = {name for name in base.keys() & other.keys() if ".cluster." not in name}
    assert len(common) > 10 and len(common) == len([name for name in base if ".cluster." not in name])
    assert all(torch.equal(base[name], other[name]) for name in common)
    orders = [[batch.ids_BN for batch in trainer.batches["train"](1)] for trainer in trainers]
    assert len(orders[0]) > 2
    assert all(torch.equal(a, b) for a, b in zip(*orders, strict=True))


def test_a_run_knows_the_plans_that_were_registered_before_it(tiny_grid: Grid, tmp_path: Path) -> None:
    plan = load_plan(tiny_grid(seeds=[0, 1]))
    first = register(plan, tmp_path)
    begin(tmp_path, 0)
    second = register(load_plan(tiny_grid(seeds=[0, 1, 2])), tmp_path)
    cell = next(plan.cells())
    result = run_cell(tmp_path / "cell", cell.arm, cell.spec, "cpu", keep_weights=False)
    assert result is not None and result.registered == (first, second)
    assert run_cell(tmp_path / "alone" / "cell", cell.arm, cell.spec, "cpu", keep_weights=False).registered == ()


def test_a_run_says_when_it_first_began(tiny_grid: Grid, tmp_path: Path) -> None:
    cell = next(load_plan(tiny_grid()).cells())
    result = run_cell(tmp_path / "cell", cell.arm, cell.spec, "cpu", keep_weights=False)
    assert result is not None
    (start,) = load(tmp_path / "cell" / "environment.json", Environment).starts
    assert (result.started_at, result.code_hash, result.code_revision) == (
        start.started_at, start.code_hash, start.code_revision
    )  # fmt: skip
    assert len(result.code_hash) == 16 and not start.continued and start.suppliers == ()
