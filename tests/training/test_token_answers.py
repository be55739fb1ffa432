"""Tasks that ask at tokens: learned, resumed exactly, answered in order, refused where the model cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from swarmformer.data.encoded import Split
from swarmformer.data.questions import Questions
from swarmformer.errors import SpecError
from swarmformer.rehearsal import rehearse
from swarmformer.training.evaluate import evaluate, objective_loss, predict
from swarmformer.training.loop import Trainer
from tests.training.runs import StopError, assert_same_run, stop_at
from tests.training.toys import token_data, toy_data, toy_run

CPU = torch.device("cpu")
DATA = token_data()
TOKENS = {"pooling": "tokens"}


@pytest.mark.parametrize("stops", [(1,), (7,), (5, 12)])
def test_a_stopped_run_ends_as_one_that_was_never_stopped(tmp_path: Path, stops: tuple[int, ...]) -> None:
    spec = toy_run(model=TOKENS, checkpoint_seconds=0.0)
    for folder in ("stopped", "whole"):
        (tmp_path / folder).mkdir()
    for step in stops:
        with pytest.raises(StopError):
            Trainer(spec, DATA, CPU, tmp_path / "stopped", stop_at(step)).run()
    resumed = Trainer(spec, DATA, CPU, tmp_path / "stopped").run()
    whole = Trainer(spec, DATA, CPU, tmp_path / "whole").run()
    assert_same_run(tmp_path / "whole", tmp_path / "stopped", spec, data_key="toy tokens")
    assert torch.equal(resumed.test_logits_NK, whole.test_logits_NK)


def test_logits_are_those_of_each_text_alone_in_the_order_of_the_labels() -> None:
    trainer = Trainer(toy_run(model=TOKENS), DATA, CPU)
    trainer.model.eval()
    split = DATA.splits["test"]
    assert split.questions is not None
    metrics, logits = evaluate(trainer.model, trainer.batches["test"], CPU, "fp32")
    with torch.no_grad():
        for row, (text, position) in enumerate(zip(split.questions.text, split.questions.positions, strict=True)):
            ids = torch.from_numpy(split.example(int(text)).astype(np.int64))[None]
            alone = trainer.model(ids, torch.ones_like(ids, dtype=torch.bool))[0, position]
            assert torch.allclose(logits[row], alone, atol=1e-5)
    assert metrics["n"] == len(logits) == len(split.labels) == len(split.answer_names) > len(split)
    assert metrics["accuracy"] == float((logits.argmax(-1).numpy() == split.labels).mean())


@pytest.mark.parametrize("at_once", [24, 5])
def test_the_loss_of_an_objective_is_a_mean_over_questions(at_once: int) -> None:
    """Short texts are asked once, long ones at every token; batches are of texts of like length."""
    part = DATA.splits["validation"]
    rows = [np.arange(length if length > 8 else 1) for length in part.lengths]
    questions = Questions.from_rows(rows)
    labels = part.ids[part.offsets[questions.text] + questions.positions] % 2
    asked = Split(part.ids, part.offsets, labels.astype(np.int64), part.names, 0, questions)
    data = replace(DATA, splits={**DATA.splits, "validation": asked})
    trainer = Trainer(toy_run(model=TOKENS, eval_batch_size=at_once), data, CPU)
    of = (trainer.batches["validation"], CPU, "fp32")
    logits, truth = predict(trainer.model, *of), torch.from_numpy(asked.labels)
    losses = F.cross_entropy(logits, truth, reduction="none")
    by_text = [losses[torch.from_numpy(questions.text == text)].mean() for text in range(len(asked))]
    loss = float(losses.mean())
    assert abs(float(torch.stack(by_text).mean()) - loss) > 1e-3, "a mean over texts is another"
    assert objective_loss(trainer.model, trainer.step.objective, *of) == pytest.approx(loss, rel=1e-6)


def test_a_small_problem_is_learned() -> None:
    spec = toy_run("base+windowed+layer_norm", model=TOKENS, epochs=8, lr=0.02, batch_size=32)
    assert Trainer(spec, token_data(train=480, held_out=120), CPU).run().test["accuracy"] > 0.95


@pytest.mark.slow
def test_compiled_training_agrees() -> None:
    still = {name: {"dropout": 0.0} for name in ("local", "embedding", "cluster", "feedback")}
    specs = (toy_run(model={**still, **TOKENS, "final_dropout": 0.0}, epochs=1, compile=flag) for flag in (False, True))
    eager, compiled = (Trainer(spec, DATA, CPU).run() for spec in specs)
    assert torch.allclose(eager.test_logits_NK, compiled.test_logits_NK, atol=1e-4)


def test_a_model_that_answers_elsewhere_is_refused_before_it_runs() -> None:
    with pytest.raises(SpecError, match=r"'base' answers at every token, but task 'listops' asks once .*mean"):
        rehearse(toy_run(model=TOKENS))
    with pytest.raises(SpecError, match=r"answers at every token"):
        Trainer(toy_run(model=TOKENS), toy_data(), CPU)
    with pytest.raises(SpecError, match=r"answers once per text, but .* asks at tokens: set model.pooling: tokens"):
        Trainer(toy_run(), DATA, CPU)
    with pytest.raises(SpecError, match=r"answers once per text, but .* asks at tokens: choose another model"):
        Trainer(toy_run("bag_of_embeddings"), DATA, CPU)
