"""FLOPs by slot of named variants, against the counter and against arithmetic."""

from __future__ import annotations

import pytest

from swarmformer.cost.operations import counted_flops, counted_training_flops
from swarmformer.cost.variants import LENGTHS, OWN, flops_by_slot, model_of
from swarmformer.errors import SpecError

VARIANTS = ("base", "enhanced", "base+random_routing", "transformer")


def test_rows_add_up_to_the_model_at_every_length() -> None:
    rows = flops_by_slot(VARIANTS)
    for variant in VARIANTS:
        for length in LENGTHS:
            mine = [row for row in rows if (row["variant"], row["length"]) == (variant, length)]
            model = model_of(variant, length)
            assert sum(row["forward"] for row in mine) == model.flops(1, length)
            assert sum(row["training"] for row in mine) == model.training_flops(1, length)
            assert min(row["forward"] for row in mine) > 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_their_sum_is_what_is_counted_without_weights(variant: str) -> None:
    rows = flops_by_slot([variant], [256])
    assert sum(row["forward"] for row in rows) == counted_flops(model_of(variant), 1, 256)
    assert sum(row["training"] for row in rows) == counted_training_flops(model_of(variant), 1, 256)


def test_slots_of_the_base_by_hand() -> None:
    D, N, C = 128, 4096, 512
    rows = {row["slot"]: row["forward"] for row in flops_by_slot(["base"], [N])}
    assert rows == {
        "local": 3 * 3 * 2 * N * 5 * D * D,  # layers × steps × (MLP of two, gate of three)
        "cluster": 3 * (2 * C * 3 * D * D + 4 * C * C * D),
        "feedback": 3 * 2 * N * 4 * D * D,
        OWN: 2 * D * 2,
    }


def test_routing_by_place_trains_for_less() -> None:
    """Both operands of all products want a gradient where tokens are weighed by content; places want none."""
    rows = flops_by_slot(["base+gumbel", "base+routing"], [256])
    ratio = {row["variant"]: row["training"] / row["forward"] for row in rows if row["slot"] == "router"}
    assert 2 < ratio["base+gumbel"] < ratio["base+routing"] == 3


def test_faults_say_what_to_do() -> None:
    with pytest.raises(SpecError, match="Did you mean"):
        flops_by_slot(["bse"])
    with pytest.raises(SpecError, match="at least 1 token"):
        flops_by_slot(["base"], [256, 0])
