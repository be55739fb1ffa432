"""A component with one fault is caught by the check made for it, and by no check that has nothing to do with it."""

from __future__ import annotations

import re

import pytest

from swarmformer.components.feedback.gated_linear import GatedLinear
from swarmformer.components.router.fixed_chunk import FixedChunk
from swarmformer.models.swarmformer import SwarmFormer
from swarmformer.registry import slot_of
from swarmformer.testing import Case, Status, check_component
from swarmformer.testing.check import Check
from swarmformer.testing.checks import stretches
from swarmformer.testing.checks.costs import flops_equal_the_counted, training_flops_equal_the_counted
from swarmformer.testing.checks.numbers import autocast_stays_near_fp32
from tests.testing import broken, broken_models, broken_slots

SHAPES = {f"right_shape_and_finite_in_{dtype}" for dtype in ("fp32", "bf16", "fp16")}
PADS = {"pads_do_not_touch_real_tokens"}
ALONE = {"one_text_is_the_same_alone_and_padded"}
BATCH = {"one_text_is_the_same_alone_and_in_a_batch"}
APART = {"a_text_trains_the_same_alone_and_in_a_batch"}
EMPTY = {"texts_without_tokens_stay_finite"}
GRADIENT = {"a_gradient_reaches_every_parameter"}
STATE = {"state_dict_round_trip"}
BUILT = {"builds_without_weights"}
FLOPS = {"flops_equal_the_counted"}
TRAINING_FLOPS = {"training_flops_equal_the_counted"}
BOTH_FLOPS = FLOPS | TRAINING_FLOPS
ROUTER_FLOPS = {"router_flops_equal_the_counted"}
ROUTER_TRAINING_FLOPS = {"router_training_flops_equal_the_counted"}
EVAL = {"eval_is_deterministic"}

FAULTS = [
    # the class, the checks that must fail, and those that may, because they see the same fault
    (broken.LeaksPads, PADS | ALONE, set()),
    (broken.IgnoresTheMask, PADS | ALONE, set()),
    (broken.ForgetsAGradient, GRADIENT, set()),
    (broken.DetachesItsInput, GRADIENT | TRAINING_FLOPS, set()),
    (broken.TakesAnything, {"constructor_is_a_schema"}, set()),
    (broken.WrongFlops, BOTH_FLOPS, set()),
    (broken.WrongTrainingFlops, TRAINING_FLOPS, set()),
    (broken.ConstantOperand, TRAINING_FLOPS, {"norm_is_applied_inside"}),
    (broken_slots.WrongRouterFlops, ROUTER_FLOPS | ROUTER_TRAINING_FLOPS, set()),
    (broken_slots.WrongBroadcastFlops, ROUTER_TRAINING_FLOPS, set()),
    (broken_models.WrongModelFlops, BOTH_FLOPS, set()),
    (broken_models.WrongModelTrainingFlops, TRAINING_FLOPS, set()),
    (broken.NaNOnEmptyTexts, EMPTY, SHAPES | PADS | {"gradients_are_finite_under_every_mask"}),
    (broken.RandomInEvaluation, EVAL, PADS | ALONE | BATCH | {"a_mask_of_ones_is_no_mask", "norm_is_applied_inside"}),
    (broken.WrongShape, SHAPES, PADS | ALONE),
    (broken.RefusesShortTexts, SHAPES, PADS | ALONE | BATCH | EMPTY | BOTH_FLOPS | {"a_mask_of_ones_is_no_mask"}),
    (broken.StaysInFp32, SHAPES - {"right_shape_and_finite_in_fp32"}, set()),
    (broken.CreatedLazily, {"parameters_are_there_from_the_start"}, BUILT | STATE),
    (broken.OnAFixedDevice, BUILT, set()),
    (broken.MixesTexts, BATCH | APART, PADS | ALONE),
    (broken.ClaimsAFault, PADS, set()),
    (broken.ForgetsItsBuffer, STATE, set()),
    (broken.KeepsItsGraph, {"can_be_copied"}, set()),
    (broken.ForgetsDropout, {"every_dropout_acts_in_training"}, set()),
    (broken.ForgetsTheNorm, {"norm_is_applied_inside"}, set()),
    (broken.Wordless, {"docstring_has_a_summary"}, set()),
    (broken.GrowsWithTraining, {"follows_the_training"}, set()),
    (broken_slots.BatchNorm, BATCH | APART, set()),
    (broken_slots.Crooked, {"broadcast_is_linear"}, {"texts_without_tokens_give_zero"}),
    (broken_slots.ClaimsSignals, {"signals_are_stated_truly"}, set()),
    (broken_slots.LossOfPads, {"losses_leave_pads_out", "losses_of_texts_add_up"}, set()),
    (broken_slots.Deaf, {"a_signal_weighs_clusters", "a_signal_of_minus_infinity_is_a_mask_to_others"}, set()),
    (broken_slots.LeavesMaskedClusters, {"masked_clusters_come_out_zero", "texts_without_tokens_give_zero"}, set()),
    (broken_slots.SendsMore, {"broadcast_width_is_what_is_sent"}, set()),
    (broken_slots.Top, {"texts_without_tokens_give_zero"}, set()),
    (broken_slots.Shrinking, {"a_size_for_every_layer"}, set()),
    (broken_models.ModelThatSeesPads, PADS | ALONE, set()),
    (broken_models.BlindModel, {"sees_its_input"}, set()),
    (broken_models.ForeseesTokens, {"knows_no_later_token"}, set()),
]


@pytest.mark.parametrize("cls", [broken.Sound, broken_models.SoundModel, FixedChunk])
def test_what_is_sound_passes(cls: type) -> None:
    report = check_component(cls)
    assert report.ok, report
    assert report.ran > 15


@pytest.mark.parametrize(("cls", "must", "may"), FAULTS, ids=[cls.__name__ for cls, _, _ in FAULTS])
def test_a_fault_is_caught_by_the_right_checks_alone(cls: type, must: set[str], may: set[str]) -> None:
    report = check_component(cls)
    failed = {outcome.check for outcome in report.of(Status.FAILED)}
    assert must <= failed, report
    assert failed <= must | may, report
    assert not report.ok


@pytest.mark.parametrize(
    ("cls", "slot", "check"),
    [
        (broken.ReachesFurther, "local", stretches.a_stretch_gives_what_the_whole_gives),
        (broken_slots.EqualStretches, "pooling", stretches.a_text_is_the_mean_of_its_stretches),
        (broken_slots.AttendsWithinParts, "cluster", stretches.clusters_in_parts_are_those_of_the_whole),
    ],
)
def test_a_fault_in_stretches_is_caught(cls: type, slot: str, check: Check) -> None:
    outcome = check.run(Case(cls, slot))
    assert outcome.status is Status.FAILED and "differs by up to" in outcome.detail


def test_rounding_counts_at_real_tokens_alone() -> None:
    assert autocast_stays_near_fp32.run(Case(broken.RoughAtPads, "local")).status is Status.PASSED
    outcome = autocast_stays_near_fp32.run(Case(broken.RoughAtTokens, "local"))
    assert outcome.status is Status.FAILED
    assert outcome.detail.startswith("autocast, real tokens: differs by up to"), outcome.detail


def test_a_default_outside_its_own_limits_is_said_so_by_every_check_that_builds() -> None:
    report = check_component(broken.MisfitDefault)
    first = report.of(Status.FAILED)[0]
    assert (first.check, "less than or equal to 1" in first.detail) == ("options_can_be_stored", True)
    assert {outcome.check for outcome in report.of(Status.PASSED)} == {
        "constructor_is_a_schema",
        "docstring_has_a_summary",
    }


@pytest.mark.parametrize(
    ("cls", "check", "stated", "counted"),
    [  # one text of one token, and two of 13; products of 16 × 16, a classifier of 16 × 3
        (broken.WrongFlops, flops_equal_the_counted, "flops(1, 1) says 256", "512"),
        (broken.WrongTrainingFlops, training_flops_equal_the_counted, "training_flops(2, 13) says 26,624", "39,936"),
        (broken.ConstantOperand, training_flops_equal_the_counted, "training_flops(2, 13) says 79,872", "66,560"),
        (broken_models.WrongModelFlops, flops_equal_the_counted, "flops(1, 12) says 1,152", "96"),
        (broken_models.WrongModelTrainingFlops, training_flops_equal_the_counted, "training_flops(2, 13) says 384",
         "576"),
    ],
)  # fmt: skip
def test_a_wrong_count_is_told_with_both_numbers(cls: type, check: Check, stated: str, counted: str) -> None:
    outcome = check.run(Case(cls, slot_of(cls)))
    assert (outcome.status, outcome.detail) == (Status.FAILED, f"{stated}, but {counted} are counted")


@pytest.mark.parametrize("wrong", ["flops", "training_flops"])
def test_a_component_that_counts_wrongly_is_caught_in_the_model_too(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GatedLinear, wrong, lambda self, B, N, C: 2 * B * N * 16 * 16)
    check = {"flops": flops_equal_the_counted, "training_flops": training_flops_equal_the_counted}[wrong]
    outcome = check.run(Case(SwarmFormer, "model"))
    assert outcome.status is Status.FAILED
    assert re.fullmatch(wrong + r"\(\d, \d+\) says [\d,]+, but [\d,]+ are counted", outcome.detail)
