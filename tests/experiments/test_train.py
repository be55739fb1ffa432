"""The command line of a single run: sacred's, but strict."""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.nn import functional as F

from experiments import train
from swarmformer import hub
from tests.experiments.conftest import ROOT, TINY, command, run_module
from tests.processes import run_forked, wait_for


def flat(section: str, values: dict[str, Any]) -> list[str]:
    words = []
    for key, value in values.items():
        path = f"{section}.{key}"
        words += flat(path, value) if isinstance(value, dict) else [f"{path}={value}"]
    return words


SETTINGS = [word for section in ("model", "data", "train") for word in flat(section, TINY[section])]


def test_a_run_leaves_everything_that_is_promised(tmp_path: Path) -> None:
    words = ["variant=base", "seed=3", f"runs={tmp_path}", *SETTINGS]
    done = run_module("experiments.train", "with", *words)
    assert done.returncode == 0, done.stderr
    (cell,) = tmp_path.iterdir()
    result = json.loads((cell / "result.json").read_text())
    saved = np.load(cell / "predictions.npz", allow_pickle=False)
    accuracy = (saved["logits"].argmax(axis=1) == saved["labels"]).mean()
    assert result["metrics"]["test"]["accuracy"] == pytest.approx(accuracy)
    assert result["seed"] == 3 and result["steps"] == 8 and result["epochs"] == 2
    assert json.loads((cell / "sacred" / "1" / "run.json").read_text())["status"] == "COMPLETED"
    log = (cell / "log.txt").read_text()
    assert "epoch 2/2" in log
    assert [row["backend"] for row in result["attention"]] == ["sdpa", "sdpa"], "in training and in evaluation"
    assert all(f"attention ({row['kind']}): sdpa, {row['reason']}" in log for row in result["attention"])
    assert not (cell / "checkpoint.safetensors").exists() and not (cell / "progress.json").exists()
    total = sum(p.numel() for p in hub.load_model(cell / "model").parameters())
    assert total == result["parameters"]["total"]

    assert result["metrics"]["test"]["n"] == 40
    scored = run_forked("swarmformer", "evaluate", cell)
    assert "the run's stored predictions: 40 of 40 answers are the same" in scored.stdout, scored.stderr

    again = run_module("experiments.train", "with", *words)
    assert again.returncode == 0 and "finished before" in again.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["variant=bse"], "unknown variant 'bse'. Did you mean 'base'"),
        (["varant=base"], "unknown key 'varant'. Did you mean 'variant'"),
        (["lr=0.01"], "unknown key 'lr'. Did you mean 'train.lr'?"),
        (["seq_len=64"], "unknown key 'seq_len'. Did you mean 'model.dims.seq_len'?"),
        (["dims.seq_len=64"], "unknown key 'dims'. Did you mean 'model.dims'?"),
        (["tokenizer=bytes"], "unknown key 'tokenizer'. Did you mean 'data.tokenizer'?"),
        (["pooling=max"], "unknown key 'pooling'. Did you mean 'model.pooling'?"),
        (["data.task=imbd"], "data.task: unknown task 'imbd'. Did you mean 'imdb'"),
        (["data.task=listops", "train.epoch=3"], "train.epoch: unknown option. Did you mean 'epochs'"),
        (["data.task=listops", "train.lr=fast"], "train.optimiser.lr: Input should be a valid number, got 'fast'"),
        (["data.task=listops", "model.cluster.heads=3"], "model.cluster.heads: cluster.attention: heads = 3"),
        ([], "names no task: set data.task"),
        (["seed=-1"], "seed: Input should be greater than or equal to 0"),
        (["seed=first"], "seed: Input should be a valid integer, got 'first'"),
        (["device=gpu"], "device"),
        (["threads=many"], "threads: Input should be a valid integer"),
        (["data=3"], "data: expected a mapping"),
        (["epochs"], "command line: "),
    ],
)
def test_faults_end_with_one_message_and_no_run(
    tmp_path: Path, words: list[str], message: str, own_signals: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(["with", f"runs={tmp_path}", *words]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_fault_ends_the_process_with_one_message(tmp_path: Path) -> None:
    done = run_module("experiments.train", "with", f"runs={tmp_path}", "variant=bse")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "unknown variant 'bse'" in done.stderr
    assert "Traceback" not in done.stderr


def test_print_config_shows_the_resolved_configuration(tmp_path: Path) -> None:
    done = run_module("experiments.train", "print_config", "with", "data.task=listops", "train.lr=1e-3")
    assert done.returncode == 0, done.stderr
    for words in ("lr = 0.001", "rolling_shift", "weight_decay", "run_key"):
        assert words in done.stdout


def test_sigterm_is_an_interruption_and_the_run_goes_on(tmp_path: Path) -> None:
    settings = [*SETTINGS, "train.epochs=400", "train.checkpoint_seconds=0"]
    settings.remove("train.epochs=2")
    arguments = command("experiments.train", "with", "variant=base", f"runs={tmp_path}", *settings)
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: list(tmp_path.glob("*/checkpoint.safetensors")))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) != 0
    (cell,) = tmp_path.iterdir()
    assert json.loads((cell / "sacred" / "1" / "run.json").read_text())["status"] == "INTERRUPTED"
    assert not (cell / "failure.json").exists() and not (cell / "result.json").exists()
    assert (cell / "checkpoint.safetensors").exists()

    # A smaller budget would be another run; the same one goes on from where it was.
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: "resumed at step" in (cell / "log.txt").read_text())
    process.kill()
    process.wait()


def test_a_last_step_to_weights_that_answer_nan_is_divergence(tmp_path: Path) -> None:
    """One step of 10³⁰ after a loss that is still finite: an accuracy of NaN logits would be no result."""
    still = ["train.epochs=1", "train.batch_size=120", "train.warmup=0", "train.lr=1e30"]
    settings = [word for word in SETTINGS if not word.startswith(("train.", "model.dims.n", "model.dims.c"))]
    words = ["variant=bag_of_embeddings", f"runs={tmp_path}", "device=cpu", "threads=2", *settings, *still]
    done = run_module("experiments.train", "with", *words)
    [cell] = tmp_path.iterdir()
    failure = json.loads((cell / "failure.json").read_text())
    assert done.returncode == 1 and failure["step"] == 1 and not (cell / "result.json").exists()
    assert failure["cause"].startswith("TrainingDivergedError: after step 1 the logits of the validation split are not")
    lines = [json.loads(line) for line in (cell / "curve.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["train"] and math.isfinite(lines[0]["loss"])
    assert not {"NaN", "Infinity"} & set(re.findall(r"\w+", (cell / "curve.jsonl").read_text()))
    [start] = json.loads((cell / "environment.json").read_text())["starts"]
    assert start["threads"]["intra_op"] == 2, "as asked for, whatever OMP_NUM_THREADS says"


def test_a_failure_stays_until_it_is_to_be_tried_again(
    tmp_path: Path, own_signals: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["with", "variant=bag_of_embeddings", f"runs={tmp_path}", *SETTINGS]
    plain = F.cross_entropy
    with monkeypatch.context() as broken:
        broken.setattr(F, "cross_entropy", lambda *a, **more: plain(*a, **more) * math.nan)
        assert train.main(words) == 1
    [cell] = tmp_path.iterdir()
    failure = (cell / "failure.json").read_text()
    capsys.readouterr()
    assert train.main(words) == 1 and "retry=True" in capsys.readouterr().err
    assert train.main([*words, "retry=True"]) == 0
    assert (cell / "result.json").exists() and not (cell / "failure.json").exists()
    assert failure in [path.read_text() for path in cell.rglob("failure*")], "nothing is deleted"


def test_an_option_in_another_style_is_told_how_to_write_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["with", "variant=base", "--threads", "2"]) == 2
    assert "threads=2, not --threads 2" in capsys.readouterr().err
