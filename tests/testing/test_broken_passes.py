"""What a pass leaves behind, training in parts, devices: each fault is caught in words that name the remedy."""

from __future__ import annotations

import pytest
import torch

from swarmformer.registry import slot_of
from swarmformer.testing import Case, Status, check_component
from swarmformer.testing.checks.parts import a_text_trains_the_same_alone_and_in_a_batch, losses_of_texts_add_up
from swarmformer.testing.drive import without_dropout
from swarmformer.training.loop import Trainer
from tests.testing import broken_passes as broken
from tests.training.toys import toy_data, toy_run

CPU = torch.device("cpu")
ALONE = "inputs_are_left_alone"
SAVED, BUFFERS, DEVICE = "state_dict_round_trip", "constants_are_buffers", "builds_without_weights"
APART, ADD_UP = "a_text_trains_the_same_alone_and_in_a_batch", "losses_of_texts_add_up"
IN_PLACE = "in training it changes its input in place, the {}: work on a copy"
NOT_SAVED = "something that matters is not in the state dict (keep it, and what training changes of it, in a persistent"
NO_BUFFER = 'is no buffer, so that it neither moves with the component nor is saved: self.register_buffer("place", …)'

FAULTS = [
    # the class, the check that must fail, what it must say, and whether others see the fault too
    (broken.DropsTokensInPlace, ALONE, IN_PLACE.format("mask"), False),
    (broken.UnmasksTheFirst, ALONE, IN_PLACE.format("mask"), True),
    (broken.WritesStates, ALONE, IN_PLACE.format("states"), True),
    (broken.WritesIds, ALONE, IN_PLACE.format("ids"), False),
    (broken.WritesSignals, ALONE, IN_PLACE.format("signal"), True),
    (broken.WritesWhatIsSent, ALONE, IN_PLACE.format("states of clusters"), True),
    (broken.CountsSteps, SAVED, NOT_SAVED, False),
    (broken.ForgetsWhatItSaw, SAVED, NOT_SAVED, False),
    (broken.PlainConstant, BUFFERS, f"place {NO_BUFFER}", False),
    (broken.PlainInside, BUFFERS, f"inner.place {NO_BUFFER}", False),
    (broken.CountsOnTheCpu, DEVICE, "make it with device=x.device, or a constant as a buffer; RuntimeError", False),
    (broken.CentresOverTheBatch, APART, "use nothing of other texts, or say whole_batch = True", False),
    (broken.RunningNorm, APART, "use nothing of other texts, or say whole_batch = True", False),
    (broken.GatedChunks, ADD_UP, "gate of a batch and its mean over texts: differs", False),
    (broken.BalancesTheBatch, ADD_UP, "or say whole_batch = True", False),
    (broken.MeanOfTokens, ADD_UP, 'one over tokens means_over = {"…": "tokens"} beside it', False),
    (broken.SaidMeanOfTexts, ADD_UP, "gate of a batch and its mean over texts: differs", False),
    (broken.MeanOfPlaces, ADD_UP, "however far they are padded", False),
]


@pytest.mark.parametrize(("cls", "check", "words", "others"), FAULTS, ids=[cls.__name__ for cls, *_ in FAULTS])
def test_a_fault_is_caught_with_its_remedy(cls: type, check: str, words: str, others: bool) -> None:
    failed = check_component(cls, options={}).of(Status.FAILED)
    details = {outcome.check: outcome.detail for outcome in failed}
    assert words in details[check]
    assert others or len(details) == 1, details
    assert check != ALONE or failed[0].check == ALONE, "it comes before what says something misleading"


@pytest.mark.parametrize("cls", [broken.Askew, broken.MeanOfTexts, broken.SaidMeanOfTokens, broken.SaidBalance])
def test_what_keeps_its_word_passes(cls: type) -> None:
    report = check_component(cls, options={})
    assert report.ok, report


@pytest.mark.parametrize(
    ("cls", "words"),
    [(broken.SaidBalance, "it is given whole batches"), (broken.NoisyGate, "draws random numbers in training")],
)
def test_losses_that_no_parts_add_up_to_are_not_held_to_it(cls: type, words: str) -> None:
    outcome = losses_of_texts_add_up.run(Case(cls, slot_of(cls)))
    assert outcome.status is Status.NOT_APPLICABLE and words in outcome.detail


@pytest.mark.parametrize(
    ("cls", "adds_up"),
    [(broken.MeanOfTexts, True), (broken.SaidMeanOfTokens, True), (broken.GatedChunks, False),
     (broken.MeanOfTokens, False), (broken.BalancesTheBatch, False)],
)  # fmt: skip
def test_the_check_says_what_a_training_step_does(cls: type, adds_up: bool) -> None:
    """The loss that a step records of a batch, computed at once and two texts at a time."""
    trainer = Trainer(toy_run("base", model={"router": f"{cls.__module__}:{cls.__name__}"}), toy_data(), CPU)
    without_dropout(trainer.model)
    trainer.model.train()
    batch = next(iter(trainer.batches["train"](0)))
    losses = []
    for trainer.step.micro_batch in (0, 2):
        losses.append(float(trainer.step.add_gradients(batch)["loss/gate"]))
    assert (losses[0] == pytest.approx(losses[1], rel=1e-4)) == adds_up, losses
    checked = losses_of_texts_add_up.run(Case(cls, "router")).status
    assert checked is (Status.PASSED if adds_up else Status.FAILED)


def test_a_norm_of_the_batch_may_say_so() -> None:
    outcome = a_text_trains_the_same_alone_and_in_a_batch.run(Case(broken.WholeRunningNorm, "norm"))
    assert outcome.status is Status.NOT_APPLICABLE and "given whole batches" in outcome.detail
