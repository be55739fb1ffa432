"""What is not finite ends a run at its step, and says what may be at fault."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.components.local.identity import Identity
from swarmformer.contracts import Dims
from swarmformer.errors import TrainingDivergedError
from swarmformer.training.divergence import check_steps
from swarmformer.training.loop import Trainer
from tests.training.runs import CPU, DATA
from tests.training.toys import toy_run


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("step", [1, 4, 15])
def test_divergence_names_its_step(tmp_path: Path, monkeypatch, step: int, bad: float) -> None:
    trainer = Trainer(toy_run(), DATA, CPU, tmp_path)
    plain, calls = F.cross_entropy, iter(range(1, 1000))
    monkeypatch.setattr(F, "cross_entropy", lambda *a, **k: plain(*a, **k) * (bad if next(calls) == step else 1))
    validated: list[int] = []

    def only_count(self: Trainer) -> None:
        validated.append(self.progress.step)
        self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0

    monkeypatch.setattr(Trainer, "_validate", only_count)
    with pytest.raises(TrainingDivergedError, match=rf"loss became (nan|inf) at step {step}; try") as error:
        trainer.run()
    assert error.value.step == step
    assert validated == [end for end in (5, 10) if end < step], "nothing is validated after the step that diverged"


def test_a_gradient_that_overflows_is_divergence_too() -> None:
    trainer: Any = Trainer(toy_run(), DATA, CPU)
    trainer.model.classifier.weight.register_hook(lambda grad: grad * float("inf"))
    with pytest.raises(TrainingDivergedError, match=r"gradient norm became (nan|inf) at step 1"):
        trainer.run()


class Breaks(Identity):
    """Gives NaN from a call on."""

    def __init__(self, dims: Dims, *, call: int = 1) -> None:
        super().__init__(dims)
        self.left = call

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        self.left -= 1
        return x_BND if self.left > 0 else x_BND * float("nan")


@pytest.mark.parametrize("call", [1, 10])
def test_a_component_of_one_s_own_is_suspected_before_any_weight_has_changed(call: int) -> None:
    own = f"{__name__}:{Breaks.__name__}"
    with pytest.raises(TrainingDivergedError) as error:
        Trainer(toy_run(model={"local": {"name": own, "call": call}}), DATA, CPU).run()
    words = f"train.precision=fp32; or a component gives NaN: swarmformer check {own}"
    assert str(error.value).endswith(words if call == 1 else "train.precision=fp32")


@pytest.mark.parametrize(
    ("losses", "norms", "step", "what"),
    [
        ([1.0, math.nan, math.nan], [1.0, math.nan, math.nan], 8, "loss became nan"),
        ([1.0, 1.0, 1.0], [1.0, 1.0, math.inf], 9, "gradient norm became inf"),
        ([math.inf, 1.0, 1.0], [0.0, math.nan, 1.0], 7, "loss became inf"),
    ],
)
def test_the_first_step_that_is_not_finite(losses, norms, step: int, what: str) -> None:
    with pytest.raises(TrainingDivergedError, match=f"{what} at step {step}") as error:
        check_steps(7, losses, norms, torch.nn.Identity())
    assert error.value.step == step
    check_steps(7, [1.0, 0.0], [0.0, 1e30], torch.nn.Identity())
