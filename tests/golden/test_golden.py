"""Run keys that last: those of shipped variants, and the place of committed runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from experiments.cells import cell_folder, status_of
from experiments.plan.grid_file import arms_of, candidates_of, designed_arms, read_grid, resolve_arm
from experiments.status import Status
from swarmformer.data import tokenizer
from swarmformer.once import once
from swarmformer.records import PLAN, Plan, chosen_plan, load, read_tuning
from swarmformer.records.aliases import aliases, todays_key
from tests import committed, golden

BERT_VOCABULARY = 30522
RAISE = "a default changed, so that old keys would mean something else: raise the VERSION of that part"


@pytest.fixture(autouse=True)
def without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys need the size of BERT's vocabulary, not the vocabulary."""
    own = tokenizer.vocab_size
    monkeypatch.setattr(tokenizer, "vocab_size", lambda name: BERT_VOCABULARY if name == "bert" else own(name))


def test_keys_of_shipped_variants() -> None:
    assert golden.shipped_keys() == yaml.safe_load(golden.KEYS.read_text())


def test_no_default_changed_without_a_new_version() -> None:
    today, known = golden.shipped_defaults(), yaml.safe_load(golden.DEFAULTS.read_text())
    assert len(today.keys() & known.keys()) > 50
    for part, before in known.items():
        now = today.get(part, before)  # a part that is gone can be in no run
        if now["version"] == before["version"]:
            kept = {name: now["options"].get(name) for name in before["options"]}
            assert kept == before["options"], f"{part}: {RAISE}"


def test_every_committed_run_has_the_key_of_today() -> None:
    runs = list(golden.committed_runs())
    assert len(runs) > 200
    for path, written, spec in runs:
        assert todays_key(written) == spec.run_key, f"{path.parent}: run python -m tests.golden"


def test_aliases_lead_to_todays_keys_and_not_further() -> None:
    assert not set(aliases()) & set(aliases().values())


GRIDS = sorted(path for path in golden.GRIDS.glob("*.yaml") if (committed.RESULTS / path.stem).is_dir())


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_committed_runs_are_cells_of_todays_grid_and_not_run_anew(path: Path) -> None:
    grid, folder = read_grid(path), committed.runs_of(path.stem)
    arms = [*arms_of(grid), *(arm for design in grid.designs for arm in designed_arms(design))]
    tuning = read_tuning(folder)
    chosen = {each.arm: each.chosen for each in tuning.arms} if tuning else {}
    with once():
        specs = {arm.name: candidates_of(grid, arm, str(path))[chosen[arm.name] or 0].spec if tuning
                 else resolve_arm(grid, arm, str(path)) for arm in arms}  # fmt: skip
    keys = {arm: spec.run_key for arm, spec in specs.items()}
    runs = [json.loads(file.read_text()) for file in folder.glob("*/config.json")]
    assert runs
    for run in runs:
        spec = specs[run["arm"]].model_copy(update={"seed": run["seed"]})
        assert todays_key(run["run_key"]) == keys[run["arm"]], run["arm"]
        assert status_of(cell_folder(folder, run["arm"], spec, keys[run["arm"]])) == (Status.COMPLETED, "")
    planned = chosen_plan(load(folder / PLAN, Plan), tuning).arms
    assert {arm.run_key for arm in planned} <= {*keys.values()}
