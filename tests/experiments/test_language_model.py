"""A language model from the plan of a grid to its report, and to the text that it writes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swarmformer
from experiments.floors import write_floors
from experiments.plan import load_plan
from experiments.runner import run_cell
from reports.build import build
from swarmformer import records
from swarmformer.cli.evaluate import main as evaluate
from swarmformer.cli.generate import main as generate
from swarmformer.cli.predict import main as predict
from swarmformer.cli.tokenizer import main as tokenizer
from swarmformer.errors import UsageError
from swarmformer.generation import TextGenerator

TEXT = "".join(f"{'the cat' if n % 3 else 'a dog'} sat on {n % 4} mats.\n" for n in range(120))
SMALL = {"d_model": 8, "num_layers": 1, "seq_len": 32}


@pytest.fixture
def grid(tiny_grid: Callable[..., Path], tmp_path: Path) -> Path:
    (tmp_path / "own.txt").write_text(TEXT)
    task = {"name": "language_model", "corpus": "own", "train": str(tmp_path / "own.txt"), "test_share": 0.2}
    leaky = {"name": "leaky", "variant": "lumenspark_published", "model": {"pooling": "tokens", "k": 4}}
    return tiny_grid(
        base="transformer_lm", arms=["transformer_lm", leaky], seeds=[0], model={"dims": SMALL},
        data={"task": task, "tokenizer": "bytes"},
        train={"epochs": 1, "batch_size": 16, "lr": 0.01, "stages": [{"name": "supervised", "by": "loss"}]},
    )  # fmt: skip


def test_figures_floors_report_and_text(grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, cells = tmp_path / "tiny", list(load_plan(grid).cells())
    results = [run_cell(cell.folder(runs), cell.arm, cell.spec, "cpu", keep_weights=True) for cell in cells]
    write_floors(grid, runs)
    kept = cells[0].folder(runs)
    _losses_add_up(kept, results[0])
    build([runs], tmp_path / "report")
    report = (tmp_path / "report" / "runs.md").read_text()
    for words in ("test bits per byte", "test perplexity of a token", "`Kneser–Ney 5-gram (baseline)`", "`unigram"):
        assert words in report
    assert "epoch that validation chose" in report and "NB-SVM" not in report
    _card_and_text(kept, results[0], capsys)


def _losses_add_up(cell: Path, result: Any) -> None:
    losses, test = records.read_losses(cell), result.metrics.test
    assert losses is not None and not (cell / "predictions.npz").exists()
    assert losses.tokens.sum() == test.n and losses.nats.sum() / test.n == pytest.approx(test.loss, rel=1e-6)
    text_bytes = test.n - 1
    assert test.bits_per_byte == pytest.approx(losses.nats.sum() / math.log(2) / text_bytes)
    assert test.perplexity == pytest.approx(math.exp(test.loss))
    assert losses.names[0] == "test/0" and np.all(losses.tokens[:-1] == 32)


def _card_and_text(cell: Path, result: Any, capsys: pytest.CaptureFixture[str]) -> None:
    writer = swarmformer.load(cell)
    assert isinstance(writer, TextGenerator)
    card = (cell / "model" / "README.md").read_text()
    assert "pipeline_tag: text-generation" in card and f"{result.metrics.test.bits_per_byte:.4f}" in card
    assert generate([str(cell), "the", "--max-length", "30", "--temperature", "0", "--threads", "1"]) == 0
    assert capsys.readouterr().out == writer.generate("the", max_length=30, temperature=0) + "\n"
    assert evaluate([str(cell), "--threads", "1"]) == 0
    told = capsys.readouterr().out
    assert f"bits_per_byte {result.metrics.test.bits_per_byte:.4f}" in told and "stored losses" in told
    assert float(told.split("differ by ")[1].split()[0]) < 1e-3
    with pytest.raises(UsageError, match="is a language model, which writes: swarmformer generate"):
        predict([str(cell), "the"])


def test_the_plan_tells_of_the_leak_and_refuses_what_is_not_marked(grid: Path) -> None:
    leaky = next(arm for arm in load_plan(grid).arms if arm.name == "leaky")
    assert "sees the tokens that it predicts" in leaky.remarks[0]


def test_a_tokenizer_is_trained_on_the_training_part_alone_and_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.txt").write_text(TEXT + "zzzz zzzz zzzz\n" * 10)
    words = [str(tmp_path / "own.json"), "--size", "270", "--task", "language_model", "corpus=own",
             f"train={tmp_path / 'own.txt'}"]  # fmt: skip
    assert tokenizer(words) == 0 and "270 tokens, SHA-256" in capsys.readouterr().out
    vocabulary = json.loads((tmp_path / "own.json").read_text())["model"]["vocab"]
    assert "Ġsat" in vocabulary or ("sat" in vocabulary and not any("zz" in token for token in vocabulary))
    with pytest.raises(UsageError, match="not there yet"):
        tokenizer(words)
