"""What a run is made of before its first step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from swarmformer.assembly import assemble
from swarmformer.contracts import Model
from swarmformer.contracts.objective import why_whole
from swarmformer.data.batching import Batches
from swarmformer.data.encoded import EncodedData
from swarmformer.errors import SpecError
from swarmformer.rehearsal import check_answers, check_objectives
from swarmformer.spec import RunSpec
from swarmformer.training.ranks import Ranks
from swarmformer.training.stage_run import StageRun, make_batches, stage_runs


@dataclass(frozen=True)
class Setup:
    """A model on its device, the stages of its training, and the batches of each split, by its name; ``train`` are
    those of the last stage. ``elsewhere``: of the test splits of other tasks, by name."""

    model: Model
    stages: list[StageRun]
    batches: dict[str, Batches]
    elsewhere: dict[str, Batches]


def set_up(spec: RunSpec, data: EncodedData, device: torch.device, ranks: Ranks) -> Setup:
    """Make what a run trains and is judged by; initial weights depend on torch's global seed.

    Raises:
        SpecError: model, task and training do not fit together, or cannot be trained by several processes.
    """
    model = assemble(spec.model)
    validation = data.splits["validation"]
    check_answers(model, spec, validation.questions is not None, validation.text_bytes is not None)
    check_objectives(model, spec.train)
    model.fit(data.texts("train"))
    model.to(device)
    stages = stage_runs(spec, data, model, device)
    check_ranks(model, stages, ranks)
    size = min(stage.train.eval_batch_size for stage in stages)
    judged = {name: split for name, split in data.splits.items() if name != "train"}
    batches = {"train": stages[-1].batches}
    batches |= {name: make_batches(spec, data, split, device, size) for name, split in judged.items()}
    others = data.out_of_domain.items()
    elsewhere = {name: make_batches(spec, data, other.split, device, size) for name, other in others}
    return Setup(model, stages, batches, elsewhere)


def check_ranks(model: Model, stages: Sequence[StageRun], ranks: Ranks) -> None:
    """Raise SpecError where several processes cannot give the gradient of a batch."""
    for stage in stages if ranks.size > 1 else ():
        why = why_whole(model, stage.ingredients.objective)
        if why:
            raise SpecError(f"stage {stage.name!r} cannot be trained by several processes: {why}")
