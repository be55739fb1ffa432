"""Published faults show where they are expected, and nowhere else passes for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from swarmformer import registry
from swarmformer.testing import Case, Status
from swarmformer.testing.check import Check
from swarmformer.testing.checks import CHECKS
from swarmformer.testing.checks.texts import pads_do_not_touch_real_tokens
from swarmformer.testing.variant import checks_of_variant
from tests.testing import broken_slots

TOUCHED = {"pads_do_not_touch_real_tokens", "one_text_is_the_same_alone_and_padded"}
UNMASKED: dict[str, Any] = {"masked": False}


def expected_failures(case: Case) -> set[str]:
    outcomes = [check.run(case) for check in CHECKS if case.slot in check.slots and check.of_mask]
    assert not [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    return {outcome.check for outcome in outcomes if outcome.status is Status.EXPECTED_FAILURE}


@pytest.mark.parametrize(
    ("component", "options", "expected"),
    [
        ("local.rolling_shift", UNMASKED, TOUCHED),
        ("local.rolling_shift", {"positions": True, **UNMASKED}, TOUCHED),
        # Chunks start at the first token, so that pads behind whole chunks touch none of them.
        ("router.fixed_chunk", UNMASKED,
         {"pads_do_not_touch_real_tokens", "texts_without_tokens_give_zero",
          "a_text_has_the_clusters_of_its_own_length"}),
        ("pooling.mean_all", {}, {*TOUCHED, "texts_without_tokens_give_zero"}),
        ("model.lumenspark", {"published": True}, TOUCHED),
    ],
    ids=lambda value: "" if isinstance(value, set) else str(value),
)  # fmt: skip
def test_a_fault_of_a_component_shows(component: str, options: Mapping[str, Any], expected: set[str]) -> None:
    slot, name = component.split(".")
    assert expected_failures(Case(registry.get(slot, name), slot, options)) == expected


@pytest.mark.parametrize("variant", ["original", "lumenspark_published"])
def test_a_fault_of_a_variant_shows(variant: str) -> None:
    _, case = next(checks_of_variant(variant))
    assert expected_failures(case) == TOUCHED


def test_nan_is_no_fault_that_is_expected() -> None:
    check: Check = pads_do_not_touch_real_tokens
    outcome = check.run(Case(broken_slots.NaNOverPads, "pooling"))
    assert outcome.status is Status.FAILED and "not finite" in outcome.detail
