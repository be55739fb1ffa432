"""What changes as a stage is trained, and what of it a checkpoint keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from swarmformer.contracts import Model, Objective
from swarmformer.contracts.objective import why_whole
from swarmformer.errors import SpecError, listed
from swarmformer.seeding import Draws
from swarmformer.training.average import Average
from swarmformer.training.captured import captures
from swarmformer.training.fast import compiles
from swarmformer.training.ranks import Ranks
from swarmformer.training.seat import Seat
from swarmformer.training.stage_run import StageRun
from swarmformer.training.state_tensors import Tensors, joined_state, prefixed, split_state, without_prefix
from swarmformer.training.step import TrainingStep


@dataclass
class Learner:
    """A model in a stage: its optimiser step, the moving average where one is kept, and the ``best`` weights so far."""

    model: Model
    step: TrainingStep
    average: Average | None
    best: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of_stage(
        cls, model: Model, stage: StageRun, device: torch.device, ranks: Ranks, micro_batch: int = 0,
        seat: Seat | None = None,
    ) -> Learner:
        """At the beginning of a stage, from the weights that are there.

        Args:
            micro_batch: what memory had room for before, where it ran out; 0: what the stage asks for. A stage whose
                batches cannot be parted tries whole ones.
            seat: of a run among others: steps are then neither captured nor compiled unless ``train`` says so.
        """
        train, objective = stage.train, stage.ingredients.objective
        optimiser = stage.ingredients.optimiser.build([model, objective], device)
        if seat is not None:
            train = train.model_copy(update={key: getattr(train, key) is True for key in ("capture", "compile")})
        capture = captures(train, device, stage.steps, model, objective, ranks.size)
        compile_too = (train.compile is True or not capture) and compiles(train, device, stage.steps, objective)
        decided = {"capture": capture, "compile": compile_too}
        held = 0 if why_whole(model, objective) else micro_batch
        at_once = min(filter(None, (held, train.micro_batch)), default=0)
        step = TrainingStep(
            model, objective, optimiser, train.model_copy(update=decided), ranks, at_once,
            None if seat is None else seat.gradients,
            must_compile=train.compile is True, must_capture=train.capture is True,
        )  # fmt: skip
        return cls(model, step, Average(model, objective, train) if train.ema_decay else None)

    @property
    def judged(self) -> Model:
        """The model that is validated: the moving average where one is kept."""
        return self.model if self.average is None else self.average.module

    @property
    def judging(self) -> Objective:
        """The objective that belongs to it: what it has learned is averaged alike."""
        return self.step.objective if self.average is None else self.average.objective

    def keep_best(self) -> None:
        self.best = {name: tensor.detach().clone() for name, tensor in self.judged.state_dict().items()}

    def state(self, device: torch.device) -> tuple[Any, Tensors]:
        """What of the optimiser is no tensor, and all tensors by path, with those of random generators."""
        plain, optimiser = split_state(self.step.optimiser.state_dict())
        average = {} if self.average is None else prefixed("average", self.average.state_dict())
        return plain, {
            **prefixed("model", self.model.state_dict()),
            **prefixed("objective", self.step.objective.state_dict()),
            **prefixed("best", self.best),
            **prefixed("optimiser", optimiser),
            **prefixed("rng", dict(Draws.on(device).states)),
            **average,
        }

    def load_state(self, plain: Any, tensors: Tensors, device: torch.device) -> None:
        """Inverse of ``state``.

        Raises:
            SpecError: other tensors than those of the state, as other code has them.
        """
        learned: dict[str, Any] = {"model": self.model, "objective": self.step.objective}
        for name, module in (learned | ({} if self.average is None else {"average": self.average})).items():
            _load(name, module, without_prefix(name, tensors))
        self.step.optimiser.load_state_dict(joined_state(plain, without_prefix("optimiser", tensors)))
        Draws(device, without_prefix("rng", tensors)).restore()
        self.best = {name: tensor.to(device) for name, tensor in without_prefix("best", tensors).items()}


def _load(name: str, module: nn.Module, tensors: Tensors) -> None:
    if unlike := sorted(module.state_dict().keys() ^ tensors.keys()):
        raise SpecError(f"the checkpoint was written by other code, whose {name} has other tensors ({listed(unlike)}): "
                        "move it away to start this run anew")  # fmt: skip
    module.load_state_dict(tensors)
