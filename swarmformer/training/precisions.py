"""What each stage of a run computes in: chosen once, the same for all processes, and kept when the run goes on. In a
grid ``auto`` is chosen once for all runs on a device, so that arms which are compared do not differ in it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from filelock import FileLock

from swarmformer.contracts import Model
from swarmformer.cost.precision import DTYPES, chosen_precision, rates_here
from swarmformer.environment import device_name
from swarmformer.errors import SpecError
from swarmformer.records import PRECISION, ChosenPrecision, Precisions, load, save
from swarmformer.spec import RunSpec, TrainSpec
from swarmformer.training.fast import products_in_tf32
from swarmformer.training.ranks import Ranks
from swarmformer.training.stage_run import StageRun

logger = logging.getLogger("swarmformer.training")
PRECISIONS = tuple(DTYPES)


def chosen_precisions(
    spec: RunSpec, model: Model, stages: Sequence[StageRun], device: torch.device, ranks: Ranks, grid: Path | None
) -> list[str]:
    """Of each stage, ``fp32`` or ``bf16``: what it asks for, or for ``auto`` what is faster where the first process is.

    fp32 is measured as it would be computed, on a GPU in TF32 where the stage allows that.

    Args:
        grid: folder of a grid; the first of its runs on a device chooses for all of them there.
    """
    found = []
    for stage in stages:
        chosen = _chosen(spec, model, stage.train, device, ranks.size, grid) if ranks.first else PRECISIONS[0]
        found.append(PRECISIONS[ranks.agreed(PRECISIONS.index(chosen))])
    return found


def _chosen(
    spec: RunSpec, model: Model, train: TrainSpec, device: torch.device, ranks: int, grid: Path | None
) -> str:
    if train.precision != "auto" or grid is None:
        with products_in_tf32(device, train.tf32):
            return chosen_precision(spec, model, train, ranks)
    path, name = grid / PRECISION, device_name(device)
    with FileLock(path.with_suffix(".lock")):
        chosen = load(path, Precisions).chosen if path.exists() else {}
        if name not in chosen:
            with products_in_tf32(device, train.tf32):
                rates = rates_here(spec, model, train, ranks)
            chosen[name] = ChosenPrecision(precision=rates.faster, run_key=spec.run_key, rates=rates.words())
            save(path, Precisions(chosen=chosen))
    there = chosen[name]
    logger.info("precision auto: %s in all runs of this grid on %s, as run %s was measured first (%s)",
                there.precision, name, there.run_key, there.rates)  # fmt: skip
    return there.precision


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
