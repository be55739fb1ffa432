"""The contract of the ``optimiser`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from swarmformer.contracts.component import Component


class Optimiser(ABC):
    """Modules that are trained → a ``torch.optim.Optimizer`` over their parameters; and its learning rate by step.

    ``build`` puts every parameter into one group; ``decay_groups`` parts those that take no weight decay. A group with
    ``lr_factor`` has that many times the learning rate. All that a step depends on is in the state dict of what it
    builds: a run that was stopped goes on from that. ``before_step`` is told the number of the step, from 0 to
    ``total`` − 1. ``honours_undecayed`` is False only where a published fault is kept on purpose: all is decayed alike.
    """

    slot: ClassVar[str] = ""
    registered_name: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1
    test_options: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    honours_undecayed: bool = True

    @abstractmethod
    def build(self, modules: list[Component], device: torch.device) -> torch.optim.Optimizer: ...

    @abstractmethod
    def learning_rate(self, step: int, total: int) -> float:
        """Of step 0 … total − 1; from 0 up."""

    def before_step(self, optimiser: torch.optim.Optimizer, step: int, total: int) -> None:
        """Set the learning rate of every group."""
        for group in optimiser.param_groups:
            group["lr"] = self.learning_rate(step, total) * group.get("lr_factor", 1.0)


def decay_groups(modules: list[Component]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters that take weight decay, and those that their components say take none, each once."""
    spared = {id(module.get_parameter(name)) for module in modules for name in module.undecayed()}
    parameters = [parameter for module in modules for parameter in module.parameters()]
    return [p for p in parameters if id(p) not in spared], [p for p in parameters if id(p) in spared]


def parameters_in(modules: list[Component], kind: type[Component]) -> set[int]:
    """``id`` of every parameter that a component of this kind holds: of ``Embedding``, token vectors and positions."""
    within = [part for module in modules for part in module.modules() if isinstance(part, kind)]
    return {id(parameter) for part in within for parameter in part.parameters()}
