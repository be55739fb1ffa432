"""An ingredient with one fault is caught by the check made for it, and by no check that has nothing to do with it."""

from __future__ import annotations

import pytest

from swarmformer.testing import Status, check_component
from tests.testing import broken_texts as texts
from tests.testing import broken_training as broken

SCALAR, GRADIENT = "loss_is_a_finite_scalar", "a_gradient_reaches_the_model_and_its_own_parameters"
ALONE, PIECES, EVAL = "objective_leaves_its_batch_alone", "pieces_add_up", "loss_in_evaluation_is_deterministic"
SOUND, DECIDED = "batches_stay_sound", "decided_by_the_generator_alone"
ORIGINS = "texts_come_from_training_texts_of_one_label"
ONE_GROUP, CHANGE = "every_parameter_is_in_one_group", "steps_change_the_weights"

FAULTS = [
    (broken.PerAnswer, {SCALAR, GRADIENT}, {PIECES}),
    (broken.Summed, {PIECES}, set()),
    (broken.Constant, {GRADIENT}, set()),
    (broken.IdleHead, {GRADIENT}, set()),
    (broken.NoisyEvaluation, {EVAL}, set()),
    (broken.Overwrites, {ALONE}, {EVAL, PIECES}),
    (broken.HalfPrecision, {SCALAR}, set()),
    (broken.LeavesOut, {ONE_GROUP, CHANGE}, set()),
    (broken.DecaysAll, {"what_takes_no_decay_gets_none"}, set()),
    (broken.NegativeRate, {"a_learning_rate_for_every_step"}, {CHANGE, "a_stopped_run_goes_on_from_the_state"}),
    (broken.Unresumable, {"a_stopped_run_goes_on_from_the_state"}, set()),
    (broken.LeavesHoles, {SOUND}, set()),
    (broken.EmptiesTexts, {SOUND}, set()),
    (broken.DrawsElsewhere, {DECIDED}, set()),
    (broken.InPlace, {"augmentation_leaves_its_batch_alone"}, set()),
    (broken.ClaimsToKeepPlaces, {"places_are_kept_where_it_says_so"}, set()),
    (texts.MixesLabels, {ORIGINS}, set()),
    (texts.FromNowhere, {ORIGINS}, set()),
    (texts.OwnRandom, {"texts_are_decided_by_the_generator_alone"}, set()),
    (texts.ChangesTexts, {"training_texts_are_left_alone"}, set()),
    (texts.ForgetsItself, {"identity_says_what_it_reads"}, set()),
    (broken.OnTheTest, {"held_out_splits_are_not_trained_on"}, set()),
    (broken.WrongWay, {"better_weights_score_higher"}, set()),
    (broken.Wordy, {"validations_are_finite_numbers"}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "must", "may"), FAULTS, ids=[cls.__name__ for cls, _, _ in FAULTS])
def test_a_fault_is_caught_by_the_right_checks_alone(cls: type, must: set[str], may: set[str]) -> None:
    report = check_component(cls)
    failed = {outcome.check for outcome in report.of(Status.FAILED)}
    assert must <= failed <= must | may, report
