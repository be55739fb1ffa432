"""``tune:``: the same trials for every arm, with seeds of their own, judged by validation."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments import grid
from experiments.cells import CellError, identity, prepare, status_of
from experiments.execute import Job, failures, scheduler
from experiments.execute.local import Local
from experiments.execute.scheduler import store_plan
from experiments.overview import print_status
from experiments.owner import is_locked
from experiments.plan import Cell, Plan, load_plan
from experiments.plan.arms import Arm
from experiments.plan.registration import register
from experiments.runner import run_cell, run_trial
from experiments.status import Status
from experiments.tuning import choice_of, chosen, settle
from swarmformer.errors import SpecError
from swarmformer.records import (
    FAILURE,
    TRIAL,
    TUNING,
    ArchiveError,
    Failure,
    Metrics,
    Seconds,
    Trial,
    TrialScore,
    Tried,
    UnreadableFileError,
    choose,
    load,
    load_json,
    read_tuning,
    save,
    seal,
)
from swarmformer.spec import TrainSpec
from swarmformer.training.loop import Trainer
from swarmformer.training.splits import SplitReader
from tests.experiments.conftest import TINY, run_module
from tests.experiments.test_grid import results, start
from tests.processes import wait_for

Grid = Callable[..., Path]
TRAIN = {"epochs": 2, "batch_size": 32}
TUNE = {"values": {"train.lr": [0.001, 0.003, 0.01]}, "seeds": [100, 101]}


def trial_of(cell: Cell, accuracy: float, loss: float = 1.0) -> Trial:
    metrics = Metrics(accuracy=accuracy, precision=0.5, recall=0.5, f1=accuracy / 2, loss=loss, n=40)
    return Trial(**identity(cell.arm, cell.spec), task="listops", validation=metrics, data_key="d", code_revision="c",
                 device="cpu", seconds=Seconds(train=1.0, total=2.0))  # fmt: skip


def finish(plan: Plan, folder: Path, accuracy: Callable[[Cell], float | None]) -> None:
    """Write the trials of a plan as if they had been run; None: it failed."""
    for cell in plan.trials():
        place, score = cell.folder(folder), accuracy(cell)
        prepare(place, cell.arm, cell.spec, trial=True)
        if score is None:
            save(place / FAILURE, Failure(**identity(cell.arm, cell.spec), cause="the loss became nan", step=3))
        else:
            save(place / TRIAL, trial_of(cell, score))


def by_rate(scores: dict[float, float | None]) -> Callable[[Cell], float | None]:
    return lambda cell: scores[float((cell.tried or {})["train.lr"])]


@pytest.fixture
def plan(tiny_grid: Grid) -> Plan:
    return load_plan(tiny_grid(train=TRAIN, tune=TUNE))


def test_every_arm_has_the_same_trials_and_none_with_a_seed_that_counts(plan: Plan) -> None:
    trials = list(plan.trials())
    assert Counter(cell.arm for cell in trials) == {"base": 6, "base+layer_norm": 6}
    base, other = ([(cell.spec.seed, cell.tried) for cell in trials if cell.arm == arm.name] for arm in plan.arms)
    assert base == other
    assert {cell.spec.seed for cell in trials} == {100, 101} and not {100, 101} & {*plan.grid.seeds}
    assert len({(cell.spec.run_key, cell.spec.seed) for cell in trials}) == 12
    assert all(cell.spec.train.optimiser.options["lr"] == (cell.tried or {})["train.lr"] for cell in trials)


@pytest.mark.parametrize(("stages", "expected"), [
    (["supervised"], [1]),
    ([{"name": "masked_tokens", "epochs": 4}, "supervised"], [4, 1]),
    ([{"name": "masked_tokens", "epochs": 1}, {"name": "supervised", "epochs": 6}], [1, 1]),
    (["masked_tokens", "supervised"], [4, 1]),
])  # fmt: skip
def test_a_shorter_trial_is_shorter_in_its_last_stage(tiny_grid: Grid, stages: list[Any], expected: list[int]) -> None:
    path = tiny_grid(train={**TRAIN, "epochs": 4, "stages": stages}, tune={**TUNE, "epochs": 1})
    for cell in load_plan(path).trials():
        train = cell.spec.train
        assert [train.of_stage(stage).epochs for stage in train.stages] == expected
        assert TrainSpec.from_dict(train.to_dict()) == train


def test_a_plan_shows_its_trials_and_that_the_rest_is_to_be_chosen(
    tiny_grid: Grid, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny_grid(train=TRAIN, tune={**TUNE, "epochs": 1})
    assert grid.main(["plan", str(path), "--runs", str(tmp_path / "runs")]) == 0
    said = capsys.readouterr().out
    assert said.count("to be chosen") == 2 and "2 arms × 2 seeds = 4 cells" in said
    assert "train.lr 0.001, 0.003, 0.01; seeds 100, 101: 6 trials an arm, 12 in all, 1 epoch each" in said
    registered = load_json(tmp_path / "runs" / "tiny" / "registered.json")["plan"]
    assert [cell["run_key"] for cell in registered["cells"]] == [""] * 4
    assert len(registered["tuning"]["trials"]) == 12 and registered["tuning"]["seeds"] == [100, 101]
    assert all(cell.spec.train.epochs == 1 for cell in load_plan(path).trials())


def test_a_plan_warns_of_trials_that_are_shorter_than_the_runs_of_an_arm(
    tiny_grid: Grid, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the last stage, which is what trials have fewer epochs of."""
    short, long = ({"name": name, "variant": "base", "train": {"stages": ["masked_tokens", {"name": "supervised",
                    "epochs": epochs}]}} for name, epochs in (("short", 2), ("long", 6)))  # fmt: skip
    path = tiny_grid(arms=[short, long], base="short", train={**TRAIN, "epochs": 4}, tune={**TUNE, "epochs": 2})
    assert grid.main(["plan", str(path), "--runs", str(tmp_path / "runs")]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "tune.epochs" in line]
    assert len(said) == 1
    assert said[0].startswith("warning: long: tune.epochs 2 is less than the 6 of a run that counts: a rate that suits")


def test_an_arm_costs_what_the_model_chosen_for_it_costs(tiny_grid: Grid) -> None:
    def planned(dims: dict[str, int], **changes: Any) -> Arm:
        return load_plan(tiny_grid(arms=["base+multi_head"], base=None, model={"dims": dims}, **changes)).arms[0]

    dims = {name: size for name, size in TINY["model"]["dims"].items() if name != "d_model"}
    tuned = planned(dims, tune={"values": {"model.dims.d_model": [128, 8]}, "seeds": [100]})
    for place, width in enumerate((128, 8)):
        found, expected = tuned.with_choice(place), planned({**dims, "d_model": width})
        assert (found.run_key, found.parameters, found.flops) == (expected.run_key, expected.parameters, expected.flops)
        assert found.remarks == expected.remarks and bool(found.remarks) == (width == 8), "of its narrow heads"
    assert found.parameters != tuned.parameters and found.flops != tuned.flops


def test_a_grid_without_tune_is_planned_as_ever(tiny_grid: Grid, tmp_path: Path) -> None:
    record = load_plan(tiny_grid()).record(tmp_path)
    assert record.tuning is None and not list(load_plan(tiny_grid()).trials())
    other = load_plan(tiny_grid(train=TRAIN, tune=TUNE)).record(tmp_path)
    more = load_plan(tiny_grid(train=TRAIN, tune={**TUNE, "seeds": [100]})).record(tmp_path)
    assert len({record.hash, other.hash, more.hash}) == 3


LR, ADDED = {"train.lr": [0.001, 0.003]}, {"name": "slow", "variant": "base", "train": {"lr": 0.0001}}
WARM = {"name": "warm", "variant": "base", "train": {"optimiser": {"lr": 0.0001}}}
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"tune": {"values": LR, "seeds": [1]}}, r"tune\.seeds: 1 is a seed that counts"),
    ({"tune": {"values": LR, "seeds": [100, 100]}}, r"tune\.seeds: .*100 is given twice"),
    ({"tune": {"values": LR, "seeds": []}}, r"tune\.seeds: .*at least 1"),
    ({"tune": {"values": LR}}, r"tune\.seeds"),
    ({"tune": {"values": {}, "seeds": [9]}}, r"tune\.values: .*at least 1"),
    ({"tune": {"values": {"train.lr": [0.001]}, "seeds": [9]}}, r"tune\.values\.train\.lr: .*at least 2"),
    ({"tune": {"values": {"train.lr": [0.001, 0.001]}, "seeds": [9]}}, r"train\.lr: a value is given twice"),
    ({"tune": {"values": {"lr": [0.001, 0.003]}, "seeds": [9]}}, "below model or train with its dots, as train.lr"),
    ({"tune": {"values": {"data.task.num_train": [9, 8]}, "seeds": [9]}}, "scores on other data cannot be compared"),
    ({"tune": {"values": {"train.lrr": [0.1, 0.2]}, "seeds": [9]}}, r"\(base\).*train\.lrr.*Did you mean"),
    ({"tune": {"values": {"train.lr": ["1e-3", "2e-3"]}, "seeds": [9]}}, r"tune: train\.optimiser\.lr: .*text"),
    ({"tune": {"values": {"model.dropout": [0.0, 0.1]}, "seeds": [9]}}, r"\(base\).*model\.dropout"),
    ({"tune": {"values": {"train.epochs": [1, 2]}, "seeds": [9], "epochs": 1}}, "train.epochs is tuned"),
    ({"tune": {"values": {"train.lr": [n / 1e5 for n in range(1, 66)]}, "seeds": [9]}}, "65 combinations .* 64"),
    ({"tune": {"values": LR, "seeds": [9]}, "train": {"lr": 0.003}}, r"the grid sets train\.optimiser\.lr, but tune:"),
    ({"tune": {"values": LR, "seeds": [9]}, "arms": ["base", ADDED]}, r"'slow' sets train\.optimiser\.lr, but tune:"),
    ({"tune": {"values": LR, "seeds": [9]}, "arms": ["base", WARM]}, r"'warm' sets train\.optimiser\.lr, but tune:"),
    ({"tune": {"values": {"train.checkpoint_seconds": [1.0, 2.0]}, "seeds": [9]}}, "are the same configuration"),
    ({"tune": {"values": LR, "seeds": [9]}, "train": {"stages": [{"name": "supervised", "lr": 0.01}]}},
     "are the same configuration .* or in its stages"),
    ({"tune": {"value": LR, "seeds": [9]}}, r"tune\.value: unknown option"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), FAULTS, ids=[words for _, words in FAULTS])
def test_a_fault_says_what_to_do(tiny_grid: Grid, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load_plan(tiny_grid(**{"train": TRAIN, **changes}))


def test_a_trial_is_trained_without_the_test_split(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    seen: list[set[str]] = []
    evaluate, run = SplitReader.evaluate, Trainer.run
    monkeypatch.setattr(SplitReader, "evaluate", lambda self, *of: (read.append(of[1]), evaluate(self, *of))[1])
    monkeypatch.setattr(Trainer, "run", lambda self: (seen.append({*self.batches}), run(self))[1])
    cell = next(plan.trials())
    place = cell.folder(tmp_path)
    trial = run_trial(place, cell.arm, cell.spec, "cpu")
    assert trial is not None and {*read} == {"validation"} and seen == [{"train", "validation"}]
    files = {path.name for path in place.iterdir()}
    assert TRIAL in files and not files & {"result.json", "predictions.npz", "model", "checkpoint.safetensors"}
    assert "test" not in (place / TRIAL).read_text() and place.parent.name == "tuning"
    assert status_of(place)[0] is Status.COMPLETED and run_trial(place, cell.arm, cell.spec, "cpu") is None
    # With the test split in view the same run ends with the same validation.
    result = run_cell(tmp_path / "other", cell.arm, cell.spec, "cpu", keep_weights=False)
    assert result is not None and result.metrics.validation == trial.validation


def test_a_trial_s_folder_is_none_for_a_run_that_counts(plan: Plan, tmp_path: Path) -> None:
    cell = next(plan.trials())
    prepare(tmp_path / "cell", cell.arm, cell.spec, trial=True)
    with pytest.raises(CellError, match="a trial, which only tunes"):
        run_cell(tmp_path / "cell", cell.arm, cell.spec, "cpu", keep_weights=False)


def tried(*scores: tuple[float | None, float | None]) -> list[Tried]:
    """Pairs of score and loss, one seed each."""
    return [
        Tried(values={"train.lr": place}, trials=(TrialScore(cell="c", seed=9, run_key="k", score=score, loss=loss),))
        for place, (score, loss) in enumerate(scores)
    ]


@pytest.mark.parametrize(("scores", "expected"), [
    ([(0.5, 1.0), (0.7, 2.0), (0.6, 0.1)], (1, ())),
    ([(0.7, 2.0), (0.7, 1.0), (0.7, 2.0)], (1, (0, 2))),  # tied: the lowest loss
    ([(0.7, 1.0), (0.7, 1.0)], (0, (1,))),  # then the first
    ([(None, None), (0.0, 9.0)], (1, ())),  # what failed is worse than the worst score
    ([(None, None), (None, None)], (None, ())),
])  # fmt: skip
def test_the_choice(scores: list[tuple[float | None, float | None]], expected: tuple[Any, Any]) -> None:
    assert choose(tried(*scores)) == expected


def test_a_seed_that_failed_makes_its_values_the_worst(plan: Plan, tmp_path: Path) -> None:
    finish(plan, tmp_path, lambda cell: None if (cell.tried, cell.spec.seed) == ({"train.lr": 0.01}, 101)
           else 0.1 + float((cell.tried or {})["train.lr"]))  # fmt: skip
    tuning = settle(plan, tmp_path)
    assert tuning is not None and [arm.values for arm in tuning.arms] == [{"train.lr": 0.003}] * 2
    failed = tuning.arms[0].tried[2]
    assert failed.score is None and failed.reasons == ("the loss became nan",)


def test_the_choice_is_a_function_of_the_trials(plan: Plan, tmp_path: Path) -> None:
    assert settle(plan, tmp_path) is None and not (tmp_path / TUNING).exists()
    finish(plan, tmp_path, by_rate({0.001: 0.2, 0.003: 0.4, 0.01: 0.3}))
    first = settle(plan, tmp_path)
    content = (tmp_path / TUNING).read_bytes()
    (tmp_path / TUNING).unlink()
    assert settle(plan, tmp_path) == first and (tmp_path / TUNING).read_bytes() == content
    done = chosen(plan, tmp_path)
    assert [arm.spec.train.optimiser.options["lr"] for arm in done.arms] == [0.003, 0.003] and not done.open_arms
    assert [(cell.arm, cell.spec.seed) for cell in done.cells()] == [
        ("base", 0), ("base+layer_norm", 0), ("base", 1), ("base+layer_norm", 1)]  # fmt: skip
    # The choice stands without the folders of the trials, and for more seeds.
    for path in (tmp_path / "tuning").rglob("trial.json"):
        path.unlink()
    more = load_plan(_with_seeds(plan, tmp_path, [0, 1, 2]))
    again = settle(more, tmp_path)
    assert again is not None and [len(arm.cells) for arm in again.arms] == [3, 3]
    assert (tmp_path / "tuning-1.json").read_bytes() == content


def _with_seeds(plan: Plan, tmp_path: Path, seeds: list[int]) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(json.dumps({**TINY, "train": TRAIN, "tune": TUNE, "seeds": seeds}))
    return path


def test_a_choice_that_was_changed_by_hand_is_refused(plan: Plan, tmp_path: Path) -> None:
    finish(plan, tmp_path, by_rate({0.001: 0.2, 0.003: 0.4, 0.01: 0.3}))
    settle(plan, tmp_path)
    record = json.loads((tmp_path / TUNING).read_text())
    record["arms"][0]["chosen"] = 0
    (tmp_path / TUNING).write_text(json.dumps(record))
    with pytest.raises(UnreadableFileError, match="its checksum differs"):
        read_tuning(tmp_path)


def test_a_choice_of_the_first_schema_is_read_and_held_to_its_checksum(plan: Plan, tmp_path: Path) -> None:
    """Its checksum was of another text: without the schema, and characters as they are."""
    finish(plan, tmp_path, by_rate({0.001: 0.2, 0.003: 0.4, 0.01: 0.3}))
    settle(plan, tmp_path)
    now = read_tuning(tmp_path)
    record = json.loads((tmp_path / TUNING).read_text()) | {"grid": "größe"}
    content = {key: value for key, value in record.items() if key not in ("checksum", "schema")}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    old = {**content, "schema": 1, "checksum": hashlib.sha256(text.encode()).hexdigest()}
    (tmp_path / TUNING).write_text(json.dumps(old))
    then = read_tuning(tmp_path)
    assert now and then and then.arms == now.arms
    (tmp_path / TUNING).write_text(json.dumps({**old, "rule": "another"}))
    with pytest.raises(UnreadableFileError, match="its checksum differs"):
        read_tuning(tmp_path)


def test_an_arm_all_of_whose_trials_failed_waits_and_is_retried(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(plan, tmp_path, lambda cell: None if cell.arm == "base" else 0.3)
    settle(plan, tmp_path)
    print_status(plan.record(tmp_path), tmp_path)
    said = capsys.readouterr().out
    assert "trials: COMPLETED 6, FAILED 6" in said and "base: nothing, every trial failed" in said
    assert "PENDING 2" in said and "2 cells without chosen values: base" in said
    assert len(failures.retry(plan, tmp_path)) == 6
    assert not (tmp_path / TUNING).exists() and choice_of(plan, tmp_path) is None
    finish(plan, tmp_path, lambda cell: 0.2)
    again = settle(plan, tmp_path)
    assert again is not None and all(arm.chosen is not None for arm in again.arms)
    assert len(failures.retry(plan, tmp_path)) == 0 and (tmp_path / TUNING).exists()


def test_trials_that_keep_the_choice_are_named_with_what_leads_on(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    finish(plan, tmp_path, by_rate({0.001: 0.2, 0.003: 0.4, 0.01: 0.3}))
    damaged, unfinished = (cell.folder(tmp_path) for cell in list(plan.trials())[:2])
    (damaged / TRIAL).write_text("{")
    (unfinished / TRIAL).unlink()
    monkeypatch.setattr(scheduler, "run_jobs", lambda executor, jobs, report: [report(job, 143, 0.1) for job in jobs])
    scheduler.GridScheduler(plan, tmp_path / "tiny.yaml", tmp_path, Local(1, "cpu", 1)).run()
    told = [record.getMessage() for record in caplog.records if "nothing is chosen" in record.msg]
    assert told == [
        f"nothing is chosen, as trials cannot be read: tuning/{damaged.name}; swarmformer grid retry sets aside what "
        "is damaged, and runs them again",
        f"nothing is chosen, as trials are not finished: tuning/{unfinished.name}; swarmformer grid run goes on with "
        "them",
    ]
    assert len(failures.retry(plan, tmp_path)) == 1, "and it does"


def test_floors_hold_nothing_up(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may take longer than all trials: whoever waited for both would leave a GPU idle before its cells."""
    at_once = list[list[str]]()

    def run_jobs(executor: Any, jobs: list[Job], report: Any) -> None:
        at_once.extend([[job.title for job in jobs]] if jobs else [])
        finish(plan, tmp_path, by_rate({0.001: 0.2, 0.003: 0.4, 0.01: 0.3}))
        for job in jobs:
            if not job.title.startswith("tuning/"):
                raise KeyboardInterrupt

    monkeypatch.setattr(scheduler, "run_jobs", run_jobs)
    wanted = replace(plan, grid=plan.grid.model_copy(update={"floors": True}))
    with pytest.raises(KeyboardInterrupt):
        scheduler.GridScheduler(wanted, tmp_path / "tiny.yaml", tmp_path, Local(1, "cpu", 1)).run()
    assert all(title.startswith("tuning/") for title in at_once[0]) and len(at_once[0]) == 12
    assert at_once[1][0] == "floors" and len(at_once[1]) == 1 + len(plan.arms) * len(plan.grid.seeds)


def test_a_damaged_choice_is_told_and_made_again_by_a_retry(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(plan, tmp_path, by_rate({0.001: 0.2, 0.003: 0.4, 0.01: 0.3}))
    chosen_before = settle(plan, tmp_path)
    (tmp_path / TUNING).write_text("{")
    print_status(plan.record(tmp_path), tmp_path)
    said = capsys.readouterr().out
    assert f"UNREADABLE   {tmp_path / TUNING}: " in said and "swarmformer grid retry" in said
    assert "4 cells without chosen values: base, base+layer_norm" in said, "it goes on to the cells"
    assert len(failures.retry(plan, tmp_path)) == 0
    assert (tmp_path / "tuning-1.json").read_text() == "{" and settle(plan, tmp_path) == chosen_before


def test_a_grid_is_sealed_with_all_its_trials_and_without_the_arms_that_none_gave_a_choice(
    plan: Plan, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    finish(plan, folder, lambda cell: None if cell.arm == "base" else 0.3)
    store_plan(plan, folder)
    tuning = settle(plan, folder)
    assert tuning is not None
    for cell in plan.with_choice(tuning).cells():
        prepare(cell.folder(folder), cell.arm, cell.spec)
        failure = Failure(**identity(cell.arm, cell.spec), cause="the loss became nan", step=3)
        save(cell.folder(folder) / FAILURE, failure)
    assert seal(folder, tmp_path / "all").left_out == ()
    lost = sorted((folder / "tuning").iterdir())[-1]
    shutil.rmtree(lost)
    with pytest.raises(ArchiveError, match=re.escape(f"tuning/{lost.name}: neither finished nor failed")):
        seal(folder, tmp_path / "less")


def test_a_plan_is_fixed_once_a_trial_has_started(plan: Plan, tmp_path: Path) -> None:
    first = register(plan, tmp_path)
    store_plan(plan, tmp_path)
    before = (tmp_path / "plan.json").read_bytes()
    finish(plan, tmp_path, by_rate({0.001: 0.2, 0.003: 0.4, 0.01: 0.3}))
    settle(plan, tmp_path)
    assert register(load_plan(_with_seeds(plan, tmp_path, [0])), tmp_path) == first
    store_plan(plan, tmp_path)
    assert (tmp_path / "plan.json").read_bytes() == before, "a choice is no other plan"


@pytest.mark.waits
@pytest.mark.slow
def test_a_killed_grid_goes_on_and_chooses_as_an_uninterrupted_one(tiny_grid: Grid, tmp_path: Path) -> None:
    tune = {"values": {"train.lr": [0.0003, 0.001, 0.003, 0.01]}, "seeds": [100]}
    train = {"epochs": 4, "batch_size": 16, "checkpoint_seconds": 0.0}
    path = tiny_grid(arms=["base"], seeds=[0], train=train, tune=tune)
    folder = tmp_path / "runs" / "tiny"
    process, trials = start(path, tmp_path / "runs"), folder / "tuning"
    wait_for(lambda: len(list(trials.glob("*/trial.json"))) >= 1 and len(list(trials.glob("*/curve.jsonl"))) >= 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in trials.glob("*/trial.json")}
    assert 1 <= len(finished) < 4, "the kill came too late to show anything"
    wait_for(lambda: not any(is_locked(cell) for cell in trials.glob("*/")))
    assert not results(folder) and not (folder / TUNING).exists()

    again = run_module("experiments.grid", "run", path, "--runs", tmp_path / "runs", "--workers", "2")
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    plan, tuning = load_plan(path), read_tuning(folder)
    assert tuning is not None and {*results(folder)} == {cell.cell for cell in tuning.arms[0].cells}
    scores = [(one.trials[0].score, one.trials[0].loss) for one in tuning.arms[0].tried]
    whole = [run_trial(cell.folder(tmp_path / "whole"), cell.arm, cell.spec, "cpu") for cell in plan.trials()]
    assert scores == [(trial.validation.accuracy, trial.validation.loss) for trial in whole if trial is not None]
    assert {load(path, Trial).seed for path in trials.glob("*/trial.json")} == {100}
