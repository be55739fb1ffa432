"""A recorder that needs no GPU: it runs again what was recorded, into the same memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from swarmformer.training.loop import Trainer


class Again:
    """Runs the work again for each replay; as when a graph is recorded, recording itself leaves nothing behind."""

    made: list[Again]
    trainer: Trainer

    def __init__(self, device: torch.device) -> None:
        self.shapes = 0
        self.made.append(self)

    def aside(self) -> Any:
        return nullcontext()

    def unread(self) -> Any:
        return nullcontext()

    def random(self) -> Tensor:
        return torch.get_rng_state()

    def set_random(self, state: Tensor) -> None:
        torch.set_rng_state(state)

    def record(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        self.shapes += 1
        parameters, buffers = self.memory()
        before, values = torch.get_rng_state(), [buffer.clone() for buffer in buffers]
        told = work()
        gradients = [parameter.grad for parameter in parameters]
        torch.set_rng_state(before)
        for buffer, value in zip(buffers, values, strict=True):
            buffer.copy_(value)

        def replay() -> None:
            for parameter in parameters:
                parameter.grad = None
            told.copy_(work())
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None and parameter.grad is not None:
                    gradient.copy_(parameter.grad)

        return told, replay

    def memory(self) -> tuple[list[torch.nn.Parameter], list[Tensor]]:
        """What the step writes to besides its output."""
        modules = torch.nn.ModuleList([self.trainer.model, self.trainer.step.objective])
        return list(modules.parameters()), list(modules.buffers())
