"""What the training of a run took, in FLOPs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from swarmformer.records import Result

PLAIN = "cross_entropy"


def training_flops(result: Result, train: Mapping[str, Any]) -> float:
    """Of all its steps, pads included; ``train``: the section as the run's config.json has it.

    NaN where the result is older than this count, or does not say how many steps an epoch that ``max_steps`` may have
    cut would have had; and where an epoch is not one pass forward and back for each text: by another objective, or in
    an earlier stage.
    """
    epoch = result.epoch_flops.get("train")
    counted = epoch is not None and has_one_stage(train) and _objective(train) == PLAIN
    epochs = _epochs(result, train) if counted else None
    return float(epoch.training.padded * epochs) if epoch and epochs is not None else math.nan


def has_one_stage(train: Mapping[str, Any]) -> bool:
    return len(train.get("stages") or [PLAIN]) == 1


def _epochs(result: Result, train: Mapping[str, Any]) -> Fraction | None:
    """Passes over the training texts; of one that was cut, the share of its steps, as if each cost the same."""
    most, size = _setting(train, "max_steps"), _setting(train, "batch_size")
    if not most or result.steps < most:  # patience ends a stage after an epoch
        return Fraction(result.epochs)
    texts = result.data.examples.get("train", 0) if result.data else 0
    return Fraction(result.steps, math.ceil(texts / size)) if texts and size else None


def _setting(train: Mapping[str, Any], key: str) -> int:
    """Of the one stage, which may set it anew; 0 where it is not recorded."""
    found = next((place[key] for place in _places(train) if key in place), 0)
    return found if isinstance(found, int) else 0


def _objective(train: Mapping[str, Any]) -> str:
    """Its name in the first stage, which may have one of its own, or other options of the section's."""
    for place in _places(train):
        objective = place.get("objective")
        if name := objective.get("name") if isinstance(objective, Mapping) else objective:
            return str(name)
    return PLAIN


def _places(train: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The first stage, where it sets anything, and then the section."""
    return [place for place in (*(train.get("stages") or [])[:1], train) if isinstance(place, Mapping)]
