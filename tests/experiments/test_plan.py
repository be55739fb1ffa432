"""Plans: everything is resolved and built before anything runs, and faults name file, arm and key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.plan import arms, load_plan
from swarmformer.errors import SpecError
from swarmformer.settings import data_dir
from swarmformer.variants import resolve_run
from tests.experiments.conftest import ROOT, TINY

Grid = Callable[..., Path]
GRIDS = sorted((ROOT / "experiments" / "grids").glob("*.yaml"))
ALIKE = {"lra_text"}
"""Its arms are those of ``lra_image`` at other sizes."""


def test_seeds_are_outermost(tiny_grid: Grid) -> None:
    cells = [(cell.arm, cell.spec.seed) for cell in load_plan(tiny_grid()).cells()]
    assert cells == [("base", 0), ("base+layer_norm", 0), ("base", 1), ("base+layer_norm", 1)]


def test_a_cell_is_the_run_that_the_same_overrides_give(tiny_grid: Grid) -> None:
    patch = {key: TINY[key] for key in ("model", "data", "train")}
    expected = resolve_run("base+layer_norm", [(patch, "test")], seed=1)
    assert list(load_plan(tiny_grid()).cells())[3].spec == expected


def test_the_arm_s_own_patch_wins(tiny_grid: Grid) -> None:
    arms = ["base", {"name": "slow", "variant": "base", "train": {"lr": 0.0001}}]
    plan = load_plan(tiny_grid(arms=arms))
    assert [arm.spec.train.optimiser.options["lr"] for arm in plan.arms] == [0.003, 0.0001]


OTHER_TASK = {"name": "harder", "variant": "base", "data": {"task": {"max_depth": 3}}}

FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"arms": ["base", "base+windwed"]}, r"arms\[1\] \(base\+windwed\).*Did you mean 'windowed'"),
    ({"arms": ["bse"], "base": None}, r"arms\[0\].*unknown variant 'bse'.*Did you mean 'base'"),
    ({"model": {"cluster": {"heads": 3}}}, r"tiny\.yaml: model\.cluster\.heads: .*does not divide d_model = 128"),
    ({"train": {"lr": "1e-3"}}, r"tiny\.yaml: train\.optimiser\.lr: .*write 0\.001 or 1\.0e-3"),
    ({"train": {"epoch": 1}}, r"train\.epoch: unknown option\. Did you mean 'epochs'"),
    ({"data": {"task": "listop"}}, r"data\.task: unknown task 'listop'\. Did you mean 'listops'"),
    ({"sed": [0]}, r"tiny\.yaml: sed: unknown option\. Did you mean 'seeds'"),
    ({"lr": 0.1}, r"tiny\.yaml: lr: unknown option\. Did you mean 'train\.lr'"),
    ({"arms": [{"name": "a", "variant": "base", "d_model": 8}]}, r"arms\.0\.d_model: .*mean 'model\.dims\.d_model'"),
    ({"latency": {"batch_size": 1}}, r"latency\.batch_size: unknown option\. Did you mean 'batches'"),
    ({"seeds": []}, r"seeds: .*at least 1"),
    ({"seeds": [0, 7, 3, 7]}, r"tiny\.yaml: seeds: .*7 is given twice"),
    ({"seeds": 2}, r"tiny\.yaml: seeds: expected a list, such as \[0, 1, 2\], got 2"),
    ({"arms": "base"}, r"tiny\.yaml: arms: expected a list, such as \[base\], got 'base'"),
    ({"tune": {"values": {"train.lr": 0.1}, "seeds": 9}}, r"values\.train\.lr: expected a list, such as \[0\.1\]"),
    ({"tune": {"values": {"train.lr": 0.1}, "seeds": 9}}, r"tune\.seeds: expected a list, such as \[0, 1, 2\]"),
    ({"model": {"local": {"name": "windowed_attention", "window": "16"}}}, r"window: .*: write 16, without quotes"),
    ({"train": {"epochs": "1.5"}}, r"valid integer, got '1\.5'$"),
    ({"seeds": [0, -1]}, r"tiny\.yaml: seeds\.1: .*greater than or equal to 0"),
    ({"seeds": [10**23]}, r"seeds\.0: "),
    ({"seeds": [2**32]}, r"tiny\.yaml: seeds\.0: .*less than 4294967296"),  # more than numpy takes
    ({"arms": ["base", {"name": "two\nlines", "variant": "cnn"}]}, r"arms\.1\..*control character.*in one line"),
    ({"arms": ["base", {"name": "two\u2028lines", "variant": "cnn"}]}, r"arms\.1\..*a line end"),
    ({"arms": ["ba\x07se"]}, r"arms\.0\..*control character"),
    ({"arms": [3]}, r"arms\.0: .*got 3"),
    ({"latency": {"batches": [0]}}, r"latency\.batches\.0: .*greater than 0"),
    ({"arms": ["base", {"nmae": "x", "variant": "base"}]}, r"arms\.1\.nmae: .* 'name'\? Available: name; variant; "),
    ({"designs": [{"kind": "one_in", "base": "base", "factor": ["pyramid"]}]}, r"\.factor: .*mean 'factors'.*: kind; "),
    ({"tune": {"value": {}, "seeds": [9]}}, r"tune\.value: .*mean 'values'\? Available: values; seeds; epochs$"),
    ({"latency": {"batch": [1]}}, r"latency\.batch: .*mean 'batches'\? Available: batches; training; budget_s$"),
    ({"arms": []}, r"tiny\.yaml: no arms: give arms, or designs$"),
    ({"seeds": [0, 1, 1]}, r"tiny\.yaml: seeds: 1 is given twice; a seed again is the same run$"),
    ({"arms": [{"name": "", "variant": "base"}]}, r"name: .*at least 1"),
    ({"floors": True, "arms": ["base", OTHER_TASK]}, "the arms have different tasks"),
    ({"data": {"task": "imdb"}, "arms": ["base"]}, r"arms\[0\] \(base\): .*SWARMFORMER_DATA"),
    ({"arms": ["base", "base"]}, "'base' is given twice"),
    ({"arms": ["base", {"name": "b", "variant": "base"}]}, "'b' and 'base' are the same configuration"),
    ({"base": "bse"}, r"'bse' is not one of the arms\. Did you mean 'base'"),
    ({"model": {"dims": {"vocab_size": 99}}}, "tiny.yaml: model.dims.vocab_size: 99, but task 'listops' has 16"),
]


@pytest.mark.parametrize(("changes", "words"), FAULTS)
def test_faults_are_refused_with_file_and_key(
    tiny_grid: Grid, changes: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMFORMER_DATA", str(tmp_path))  # a folder with a vocabulary and nothing else
    tokens = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    (tmp_path / "bert-base-uncased-vocab.txt").write_text("\n".join(tokens) + "\n")
    with pytest.raises(SpecError, match=words):
        load_plan(tiny_grid(**changes))


@pytest.mark.parametrize("changes", [
    {"seeds": [0, 0]}, {"base": "other"}, {"base": "other", "arms": [], "designs": [
        {"kind": "factorial", "base": "base", "factors": ["windowed", "positions"]}]},
])  # fmt: skip
def test_what_needs_no_arm_is_said_before_any_is_built(
    tiny_grid: Grid, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of arms take tens of seconds."""
    monkeypatch.setattr(arms, "rehearse", lambda spec: pytest.fail("an arm was built"))
    with pytest.raises(SpecError, match=r"0 is given twice|not one of the arms"):
        load_plan(tiny_grid(**changes))


def test_any_other_character_may_be_in_a_name_and_it_may_be_long(tiny_grid: Grid, tmp_path: Path) -> None:
    names = ["mean 平均 😀 é", "x" * 300, "y/../z"]
    arms = [{"name": name, "variant": "base", "train": {"epochs": 5 + n}} for n, name in enumerate(names)]
    plan = load_plan(tiny_grid(arms=["base", *arms]))
    folders = [cell.folder(tmp_path) for cell in plan.cells()]
    for folder in folders:
        folder.mkdir()
    assert len(set(folders)) == 8 and [arm.name for arm in plan.arms] == ["base", *names]


def test_a_variant_that_cannot_take_its_lengths_is_refused(tiny_grid: Grid) -> None:
    """The published router needs a divisible length; the plan finds out by passing a batch without weights."""
    sizes = {"dims": {**TINY["model"]["dims"], "seq_len": 18}}
    with pytest.raises(SpecError, match=r"cannot take 18 tokens: 18 tokens cannot be cut into clusters of 4"):
        load_plan(tiny_grid(arms=["original"], base=None, model=sizes))


def test_what_cannot_act_is_said_of_every_slot(tiny_grid: Grid) -> None:
    sizes = {"dims": {**TINY["model"]["dims"], "num_layers": 2}}
    arms = ["base", "base+pyramid", "base+pyramid+ngrams"]
    remarks = {arm.name: " ".join(arm.remarks) for arm in load_plan(tiny_grid(arms=arms, model=sizes)).arms}
    said = "pyramid: clusters of 2 sizes in 2 layers, where three are meant"
    assert [said in remarks[arm] for arm in arms] == [False, True, True]


def test_an_n_gram_channel_without_its_controls_is_said(tiny_grid: Grid) -> None:
    def said(*listed: str) -> set[str]:
        planned = {arm.name: arm.remarks for arm in load_plan(tiny_grid(arms=list(listed), base=None)).arms}
        return {*planned["base+ngrams"]} & {arms.NO_TRUNK, arms.NO_CHANNEL}

    assert said("base+ngrams") == {arms.NO_TRUNK, arms.NO_CHANNEL}
    assert said("base+ngrams", "base") == {arms.NO_CHANNEL}
    assert said("base+ngrams", "base+layer_norm", "ngrams") == {arms.NO_TRUNK}
    assert not said("base+ngrams", "base", "ngrams")


def test_routing_that_is_held_to_the_chunks_is_said(tiny_grid: Grid) -> None:
    planned = load_plan(tiny_grid(arms=["base", "base+routing", "base+routing_released"])).arms
    assert ["no schedule lets go" in " ".join(arm.remarks) for arm in planned] == [False, True, False]


def test_planning_needs_no_memory_for_weights(tiny_grid: Grid) -> None:
    sizes = {"dims": {**TINY["model"]["dims"], "d_model": 400_000}}  # 15 matrices of 640 GB
    arm = load_plan(tiny_grid(arms=["base"], model=sizes)).arms[0]
    assert arm.parameters.total > 10**12


def test_arms_that_are_blind_to_order_are_named_where_places_are_asked_about(tiny_grid: Grid) -> None:
    sizes = {"dims": {**TINY["model"]["dims"], "seq_len": 64}}
    grid = tiny_grid(arms=["base", "base+positions"], model=sizes, data={"task": "digits"})
    remarks = {arm.name: " ".join(arm.remarks) for arm in load_plan(grid).arms}
    assert "blind to the order" in remarks["base"] and "blind" not in remarks["base+positions"]


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[pytest.mark.slow] * (path.stem in ALIKE), id=path.stem) for path in GRIDS]
)
def test_every_shipped_grid_builds(path: Path) -> None:
    if "imdb" in path.stem and data_dir() is None:
        pytest.skip("needs SWARMFORMER_DATA for BERT's vocabulary")
    plan = load_plan(path)
    trials = len(list(plan.grid.tune.combinations())) if plan.grid.tune else 0
    assert all(len(arm.candidates) == trials for arm in plan.arms)
    assert len(list(plan.cells())) == (0 if trials else len(plan.arms) * len(plan.grid.seeds))
