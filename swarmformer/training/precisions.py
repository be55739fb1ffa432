"""What each stage of a run computes in: chosen once, the same for all processes, and kept when the run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from swarmformer.contracts import Model
from swarmformer.cost.precision import DTYPES, chosen_precision
from swarmformer.errors import SpecError
from swarmformer.spec import RunSpec
from swarmformer.training.fast import products_in_tf32
from swarmformer.training.ranks import Ranks
from swarmformer.training.stage_run import StageRun

PRECISIONS = tuple(DTYPES)


def chosen_precisions(
    spec: RunSpec, model: Model, stages: Sequence[StageRun], device: torch.device, ranks: Ranks
) -> list[str]:
    """Of each stage, ``fp32`` or ``bf16``: what it asks for, or for ``auto`` what is faster where the first process is.

    fp32 is measured as it would be computed, on a GPU in TF32 where the stage allows that.
    """
    found = []
    for stage in stages:
        with products_in_tf32(device, stage.train.tf32):
            chosen = chosen_precision(spec, model, stage.train, ranks.size) if ranks.first else PRECISIONS[0]
        found.append(PRECISIONS[ranks.agreed(PRECISIONS.index(chosen))])
    return found


def in_precisions(stages: Sequence[StageRun], precisions: Sequence[str], checkpoint: Path | None) -> list[StageRun]:
    """The stages, each told what to compute in, for good: a run that goes on elsewhere keeps it.

    Raises:
        SpecError: a stage asks for another than its checkpoint was made in.
    """
    for stage, precision in zip(stages, precisions, strict=True):
        if stage.train.precision not in ("auto", precision):
            raise SpecError(
                f"{checkpoint}: was computed in {precision}, but train.precision is {stage.train.precision}; set it to "
                "auto to go on, or move the checkpoint away to start this run anew"
            )
    return [
        replace(stage, train=stage.train.model_copy(update={"precision": precision}))
        for stage, precision in zip(stages, precisions, strict=True)
    ]
