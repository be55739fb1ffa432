"""Running text in training: metrics by hand, the same whatever the batch, weights chosen by loss."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import precision_recall_fscore_support
from torch.nn import functional as F

from swarmformer.data.batching import Batches
from swarmformer.data.encoded import EncodedData, Split
from swarmformer.data.running_text import windows
from swarmformer.spec import RunSpec
from swarmformer.training import evaluate as evaluation
from swarmformer.training.evaluate import evaluate
from swarmformer.training.loop import Trainer
from swarmformer.variants import resolve_run

CPU = torch.device("cpu")
V = 16  # ListOps, whose specification these runs borrow, has 16 tokens


def text(name: str, tokens: int, seed: int, stride: int = 0) -> Split:
    """Tokens that mostly follow from the one before."""
    rng = np.random.default_rng(seed)
    run = [1]
    while len(run) < tokens:
        run.append((3 * run[-1] + 1) % 13 if rng.random() < 0.8 else int(rng.integers(1, 14)))
    ids, offsets, labels, questions = windows(np.array(run, dtype=np.int32), 16, stride)
    names = np.array([f"{name}/{row}" for row in range(len(questions))])
    return Split(ids, offsets, labels, names, 0, questions, text_bytes=2 * tokens)


def data(stride: int = 0) -> EncodedData:
    splits = {"train": text("train", 400, 0), "validation": text("validation", 150, 1, stride),
              "test": text("test", 150, 2, stride)}  # fmt: skip
    return EncodedData(splits, V, V, 0, "text")


def run(variant: str = "transformer_lm", **train: Any) -> RunSpec:
    patch = {
        "data": {"task": {"name": "listops", "size": "lite"}, "buckets": 1},
        "model": {"dims": {"d_model": 16, "num_layers": 1, "seq_len": 16}},
        "train": {"batch_size": 8, "epochs": 6, "lr": 1e-2, "precision": "fp32", **train},
    }
    spec = resolve_run(variant, [(patch, "test")], 0)
    dims = spec.model.dims.model_copy(update={"vocab_size": V, "num_classes": V})
    return spec.model_copy(update={"model": spec.model.model_copy(update={"dims": dims})})


@pytest.fixture(scope="module")
def trained() -> Trainer:
    trainer = Trainer(run(), data(), CPU)
    trainer.run()
    trainer.model.eval()
    return trainer


def batches(split: Split, size: int) -> Batches:
    return Batches(split, batch_size=size, lengths=(16,), pad_id=0, seed=None)


@pytest.mark.parametrize("stride", [0, 5])
def test_metrics_are_those_of_each_token_by_hand(trained: Trainer, stride: int) -> None:
    split = data(stride).splits["test"]
    questions = split.questions
    assert questions is not None
    losses, guesses = [], []
    for row in range(len(split)):
        with torch.no_grad():
            logits = trained.model(torch.from_numpy(split.example(row).astype(np.int64))[None])[0]
        mine = slice(questions.offsets[row], questions.offsets[row + 1])
        for place, label in zip(questions.positions[mine], split.labels[mine], strict=True):
            losses.append(float(F.cross_entropy(logits[place], torch.tensor(label))))
            guesses.append(int(logits[place].argmax()))
    metrics, losses_M = evaluate(trained.model, batches(split, 4), CPU, "fp32")
    np.testing.assert_allclose(losses_M.numpy(), losses, atol=1e-5)
    rates = precision_recall_fscore_support(split.labels, guesses, average="macro", zero_division=0)
    expected = {
        "accuracy": np.mean(np.array(guesses) == split.labels), "loss": np.mean(losses), "n": 149,
        "perplexity": math.exp(np.mean(losses)), "bits_per_byte": sum(losses) / math.log(2) / 300,
        **dict(zip(("precision", "recall", "f1"), rates[:3], strict=True)),
    }  # fmt: skip
    assert metrics == pytest.approx(expected, rel=1e-5)


def test_perplexity_depends_neither_on_the_batch_nor_on_the_parts_of_it(
    trained: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = data().splits["test"]
    first, losses_M = evaluate(trained.model, batches(split, 256), CPU, "fp32")
    for size, cells in ((1, 1 << 26), (3, 1 << 26), (256, 2 * 16 * V), (256, 1)):
        monkeypatch.setattr(evaluation, "FORETOLD_CELLS", cells)
        again, others_M = evaluate(trained.model, batches(split, size), CPU, "fp32")
        assert again == pytest.approx(first, rel=1e-6)
        torch.testing.assert_close(others_M, losses_M, atol=1e-5, rtol=1e-5)


def test_it_learns_what_follows(trained: Trainer) -> None:
    for stride in (0, 2):
        metrics = evaluate(trained.model, batches(data(stride).splits["test"], 8), CPU, "fp32")[0]
        assert metrics["n"] == 149 and metrics["perplexity"] < 8, "of 13 tokens"


@pytest.mark.parametrize("by", ["loss", "accuracy"])
def test_the_weights_kept_are_those_best_by_what_was_asked(tmp_path: Path, by: str) -> None:
    """A rate that makes the loss jump about."""
    spec = run(lr=0.3, epochs=5, stages=[{"name": "supervised", "by": by}])
    result = Trainer(spec, data(), CPU, tmp_path).run()
    lines = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    found = [line for line in lines if line["kind"] == "validation"]
    best = min(found, key=lambda line: line["loss"] if by == "loss" else -line["accuracy"])
    assert result.best_epoch == best["epoch"] and result.validation["loss"] == best["loss"]
    assert best["perplexity"] == pytest.approx(math.exp(best["loss"]))


def test_logits_of_classes_are_not_parted(trained: Trainer) -> None:
    split = replace(data().splits["test"], text_bytes=None)
    metrics, logits_MK = evaluate(trained.model, batches(split, 8), CPU, "fp32")
    assert logits_MK.shape == (149, V) and "perplexity" not in metrics
