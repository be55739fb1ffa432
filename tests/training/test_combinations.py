"""Ingredients that are right by themselves, put together: one must not take what another made for something else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from swarmformer.contracts import Forward, Loss
from swarmformer.data.batching import Batch
from swarmformer.training.average import Average
from swarmformer.training.evaluate import objective_loss
from swarmformer.training.fast import compiled
from swarmformer.training.loop import Trainer
from swarmformer.training.ranks import ALONE
from swarmformer.training.setup import set_up
from tests.training.runs import CPU, curve
from tests.training.toys import level, toy_data, toy_run

FIRST = {"name": "masked_tokens", "epochs": 2, "share": 0.3}


@pytest.mark.parametrize("variant", ["base", "base+ngrams"])
def test_a_compiled_pass_gives_no_gradient_to_what_the_objective_does_not_read(variant: str) -> None:
    """Of zero it would be, and weight decay would move a head that pretraining does not train."""
    given = []
    for compiles in (False, True):
        trainer = Trainer(toy_run(variant, stages=[FIRST, "supervised"]), level(toy_data(40, 24)), CPU)
        if compiles:
            trainer.step.compiled = compiled(trainer.model, trainer.step.objective, backend="aot_eager")
        trainer.model.train().set_progress(0.0)
        trainer.step.add_gradients(next(iter(trainer.now.batches(0))))
        given.append({name for name, weight in trainer.model.named_parameters() if weight.grad is not None})
    assert given[0] == given[1]
    assert "classifier.weight" not in given[0] and any("embedding" in name for name in given[0])


def test_a_stage_that_cannot_be_parted_does_not_inherit_parts() -> None:
    stages = [FIRST, {"name": "supervised", "objective": "adversarial"}]
    trainer = Trainer(toy_run(stages=stages), toy_data(40, 24), CPU)
    before, sizes = trainer.step.objective.loss, set[int]()
    full = iter([False, True])

    def runs_out(forward: Forward, batch: Batch) -> Loss:
        if next(full, False):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return before(forward, batch)

    last = trainer.stages[1].ingredients.objective
    whole = last.loss

    def noted(forward: Forward, batch: Batch) -> Loss:
        sizes.add(len(batch.ids_BN))
        return whole(forward, batch)

    trainer.step.objective.loss, last.loss = runs_out, noted  # type: ignore[method-assign]
    trainer.run()
    assert trainer.progress.micro_batch and sizes == {8}
    assert trainer.computing.reduced and trainer.computing.micro_batch == 0


def test_the_average_has_what_the_objective_learned_too(tmp_path: Path) -> None:
    """A head is judged with the body that it belongs to: both after the same steps, averaged alike."""
    spec = toy_run(stages=[{**FIRST, "epochs": 1, "lr": 0.02}, {"name": "supervised", "epochs": 1}], ema_decay=0.9)
    trainer = Trainer(spec, toy_data(40, 24), CPU, tmp_path)
    trainer._epoch()
    average = trainer.learner.average
    assert isinstance(average, Average)
    by_hand = trainer.step.objective.state_dict()
    assert any(not torch.equal(by_hand[name], own) for name, own in average.objective.state_dict().items())
    batches = trainer.batches["validation"]
    losses = [objective_loss(average.module, objective, batches, CPU, "fp32")
              for objective in (average.objective, trainer.step.objective)]  # fmt: skip
    trainer._validate()
    [line] = [line for line in curve(tmp_path) if line["kind"] == "stage_validation"]
    assert line["loss"] == pytest.approx(losses[0], rel=1e-6) and losses[0] != losses[1]


def test_processes_agree_on_the_buffers_of_the_average_that_they_judge_by(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(toy_run("base+ngrams", ema_decay=0.9, epochs=1), toy_data(40, 24), CPU)
    trainer._epoch()
    aligned: list[int] = []
    monkeypatch.setattr(trainer, "ranks", SimpleNamespace(align=lambda given: aligned.extend(map(id, given))))
    trainer._validate()
    own, averaged = ({id(buffer) for buffer in model.buffers()} for model in (trainer.model, trainer.learner.judged))
    assert averaged and not own & averaged and own | averaged <= {*aligned}


@pytest.mark.parametrize(("vectors", "expected"), [({}, False), ({"decay_vectors": True}, True)])
def test_the_prior_of_ngrams_is_not_decayed_whatever_vectors_are(vectors: dict[str, Any], expected: bool) -> None:
    trainer = Trainer(toy_run("base+ngrams", **vectors), toy_data(), CPU)
    decays = {id(p): group["weight_decay"] for group in trainer.step.optimiser.param_groups for p in group["params"]}
    named = dict(trainer.model.named_parameters())
    assert decays[id(named["channel.table_RC"])] == 0
    assert (decays[id(named["trunk.classifier.bias"])] > 0) == expected


def test_splits_are_read_in_the_smallest_batches_that_a_stage_asks_for() -> None:
    spec = toy_run(stages=[{**FIRST, "eval_batch_size": 4}, "supervised"])
    sizes = {len(batch.ids_BN) for batch in set_up(spec, toy_data(40, 24), CPU, ALONE).batches["validation"](0)}
    assert max(sizes) == 4
