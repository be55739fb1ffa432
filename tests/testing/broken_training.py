"""Ingredients of training with one fault each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.contracts import Augmentation, Component, Dims, Forward, Judge, Loss, Metrics, Objective, Optimiser
from swarmformer.data.batching import Batch
from swarmformer.training.objectives.cross_entropy import CrossEntropy
from swarmformer.training.optimisers.adamw import AdamW
from swarmformer.training.stages.supervised import Supervised


class PerAnswer(CrossEntropy):
    """Forgets the mean."""

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        return Loss(F.cross_entropy(forward(batch).logits_BK.float(), batch.labels_M, reduction="none"))


class Summed(CrossEntropy):
    """A sum over the answers, and says that it can be cut."""

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        return Loss(super().loss(forward, batch).total * len(batch.labels_M))


class Constant(Objective):
    """Does not depend on the model."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.ones(()))

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        forward(batch)
        return Loss(self.value * 2)


class IdleHead(CrossEntropy):
    """Has a head that nothing goes through."""

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)
        self.head = nn.Linear(dims.d_model, 2)


class NoisyEvaluation(CrossEntropy):
    """Draws noise in evaluation too."""

    in_pieces = False

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        return Loss(super().loss(forward, batch).total * (1 + torch.rand(())))


class Overwrites(CrossEntropy):
    """Hides a token of the batch that it is given, in place."""

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        batch.ids_BN[:, 0] += 1
        return super().loss(forward, batch)


class HalfPrecision(CrossEntropy):
    """Its loss is bf16."""

    in_pieces = False

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        return Loss(super().loss(forward, batch).total.bfloat16())


class LeavesOut(Optimiser):
    """Trains matrices alone."""

    def __init__(self, *, lr: float = 0.1) -> None:
        self.lr = lr

    def build(self, modules: list[Component], device: torch.device) -> torch.optim.Optimizer:
        return torch.optim.SGD([p for module in modules for p in module.parameters() if p.ndim > 1], lr=self.lr)

    def learning_rate(self, step: int, total: int) -> float:
        return self.lr


class DecaysAll(AdamW):
    """Decays biases too."""

    test_options = ()

    def __init__(self) -> None:
        super().__init__()

    def build(self, modules: list[Component], device: torch.device) -> torch.optim.Optimizer:
        return torch.optim.AdamW([p for module in modules for p in module.parameters()], weight_decay=0.1)


class NegativeRate(AdamW):
    """Falls below zero."""

    test_options = ()

    def __init__(self) -> None:
        super().__init__()

    def learning_rate(self, step: int, total: int) -> float:
        return 1e-3 * (1 - 2 * step / total)


class Forgetful(torch.optim.SGD):
    """Counts its steps outside its state."""

    count = 0

    def step(self, closure: Any = None) -> None:
        self.count += 1
        for group in self.param_groups:
            for p in group["params"]:
                p.data.add_(p.grad, alpha=-0.01 * self.count)


class Unresumable(LeavesOut):
    """Makes an optimiser that forgets how far it was."""

    def build(self, modules: list[Component], device: torch.device) -> torch.optim.Optimizer:
        return Forgetful([p for module in modules for p in module.parameters()], lr=self.lr)


class Shuffling(Augmentation):
    """Drops half of the tokens in one of several wrong ways."""

    def __init__(self, dims: Dims) -> None:
        pass

    def apply(self, batch: Batch, generator: torch.Generator) -> Batch:
        return replace(batch, mask_BN=self.kept(batch, torch.rand(batch.ids_BN.shape, generator=generator)))

    def kept(self, batch: Batch, drawn_BN: Tensor) -> Tensor:
        raise NotImplementedError


class LeavesHoles(Shuffling):
    """Real tokens stand anywhere."""

    def kept(self, batch: Batch, drawn_BN: Tensor) -> Tensor:
        return batch.mask_BN & (drawn_BN > 0.5) | (torch.arange(drawn_BN.shape[1]) == 0)


class EmptiesTexts(Shuffling):
    """Texts of one token lose it."""

    def kept(self, batch: Batch, drawn_BN: Tensor) -> Tensor:
        return batch.mask_BN & (torch.arange(drawn_BN.shape[1]) < batch.mask_BN.sum(dim=1, keepdim=True) - 1)


class DrawsElsewhere(Shuffling):
    """Ignores the generator."""

    def kept(self, batch: Batch, drawn_BN: Tensor) -> Tensor:
        cut = torch.randint(1, 12, (1,))
        return batch.mask_BN & (torch.arange(drawn_BN.shape[1]) < cut)


class InPlace(Shuffling):
    """Changes the batch itself."""

    def kept(self, batch: Batch, drawn_BN: Tensor) -> Tensor:
        batch.mask_BN[:, 1:] = False
        return batch.mask_BN


class ClaimsToKeepPlaces(Shuffling):
    """Shortens texts, but says that it does not."""

    keeps_places = True

    def kept(self, batch: Batch, drawn_BN: Tensor) -> Tensor:
        return batch.mask_BN & (torch.arange(drawn_BN.shape[1]) < 2)


class OnTheTest(Supervised):
    """Trains on what it is tested on."""

    trains_on = "test"


class WrongWay(Supervised):
    """Keeps the worst."""

    def score(self, metrics: Metrics) -> float:
        return -metrics["accuracy"]


class Wordy(Supervised):
    """Writes words to the curve."""

    def validate(self, judge: Judge) -> Metrics:
        return {**judge.metrics(), "verdict": "good"}  # type: ignore[dict-item]
