"""Seeds whose gradients one pass computes end as each does alone, and what cannot be stacked is computed alone."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swarmformer.components.local.identity import Identity
from swarmformer.contracts import Augmentation, Dims
from swarmformer.data.batching import Batch
from swarmformer.data.encoded import EncodedData
from swarmformer.errors import InterruptedRunError, MemoryExhaustedError
from swarmformer.ops.stacked import in_stack
from swarmformer.records import Computing
from swarmformer.seeding import Draws
from swarmformer.training import fast, stacked_gradients
from swarmformer.training.loop import Trainer
from swarmformer.training.result import TrainResult
from swarmformer.training.seat import Seat
from swarmformer.training.stacked_gradients import Asked, StackedGradients, StackError, _Computed
from swarmformer.training.together import Together
from swarmformer.variants import list_variants, load_factors
from tests.training.runs import CPU, DATA, StopError, stop_at
from tests.training.toys import level, token_data, toy_run

SEEDS = range(3)
CASES: dict[str, dict[str, Any]] = {
    "base": {},
    "enhanced": {},
    "transformer": {},
    "routing that lets go": {"variant": "base+routing_released"},
    "Gumbel": {"variant": "base+routing+gumbel"},
    "two passes": {"variant": "base", "objective": "r_drop"},
    "a moving average": {"variant": "base", "ema_decay": 0.9},
    "other batches": {"variant": "base", "augmentation": "word_dropout"},
    "two stages": {"variant": "base", "stages": ["supervised", "supervised"]},
}
ALONE: dict[str, tuple[dict[str, Any], str]] = {
    "pretraining": ({"stages": ["masked_tokens"], "objective": "masked_tokens"}, "reads values"),
    "adversarial": ({"objective": "adversarial"}, "grad"),
    "in parts": ({"micro_batch": 4}, "micro_batch"),
    "answers at tokens": ({"model": {"pooling": "tokens"}}, "at tokens"),
}


LEVEL = level(DATA)
Done = tuple[Trainer, TrainResult]
FORETELLING = {"lumenspark_lm", "transformer_lm"}
"""They answer at each token, not for a text."""
VARIANTS = sorted(set(list_variants()) - FORETELLING)
FACTORS = [f"base+{factor}" for factor in load_factors()]


def run(data: EncodedData, folder: Path | None, settings: dict[str, Any], seed: int, seat: Seat | None = None) -> Done:
    settings = dict(settings)
    if folder is not None:
        (folder := folder / str(seed)).mkdir(parents=True, exist_ok=True)
    trainer = Trainer(toy_run(settings.pop("variant", "base"), seed, **settings), data, CPU, folder, seat=seat)
    return trainer, trainer.run()


def both(data: EncodedData, settings: dict[str, Any]) -> tuple[list[Done], list[Done]]:
    alone = [run(data, None, settings, seed) for seed in SEEDS]
    return alone, Together[Done](CPU).run([partial(run, data, None, settings, seed) for seed in SEEDS])


def weights(trainer: Trainer) -> Tensor:
    return torch.cat([tensor.double().flatten() for tensor in trainer.model.state_dict().values()])


@pytest.mark.parametrize("name", CASES)
def test_each_seed_ends_as_alone(name: str) -> None:
    """Dropout included: of other masks, weights would differ by a hundred times as much."""
    for (one, result), (other, again) in zip(*both(LEVEL, {"variant": name, **CASES[name]}), strict=True):
        assert other.computing.together == len(SEEDS) and not other.computing.together_fault
        torch.testing.assert_close(weights(other), weights(one), rtol=1e-3, atol=2e-4)
        assert again.test["loss"] == pytest.approx(result.test["loss"], abs=1e-5)
        assert [again.best_epoch, again.steps] == [result.best_epoch, result.steps]


@pytest.mark.parametrize("variant", [*VARIANTS, *FACTORS])
def test_every_shipped_variant_can_be_stacked(variant: str) -> None:
    """Every parameter gets the gradient that it gets alone, or none where it gets none."""
    asked, alone = list[Asked](), list[list[Tensor | None]]()
    for seed in SEEDS:
        trainer = Trainer(toy_run(variant, seed), LEVEL, CPU)
        trainer.model.train()
        asked.append(Asked(trainer.step, next(iter(trainer.now.augmented(0, 0))), Draws.on(CPU), seed))
        step = trainer.step.copied()
        step.add_gradients(asked[-1].batch)
        alone.append([parameter.grad for parameter in step.parameters])
    stack = StackedGradients()
    found = stack(asked)
    assert stack.faults == {} and found is not None and len(found) == len(SEEDS)
    for one, expected in zip(asked, alone, strict=True):
        least = 1e-5 * sum(float(gradient.norm()) for gradient in expected if gradient is not None)
        assert least > 0
        for parameter, gradient in zip(one.step.parameters, expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=least)


def test_another_seed_would_be_seen() -> None:
    """What the test above allows is far less than what the draws of a seed change."""
    (first, _), (second, _), _ = (run(LEVEL, None, {}, seed) for seed in SEEDS)
    assert float((weights(first) - weights(second)).abs().max()) > 0.02


def test_batches_of_unlike_lengths_are_computed_with_their_like() -> None:
    for (one, _), (other, _) in zip(*both(DATA, {}), strict=True):
        assert not other.computing.together_fault
        torch.testing.assert_close(weights(other), weights(one), rtol=1e-3, atol=2e-4)


def test_a_stage_that_cannot_be_stacked_keeps_none_of_the_others_from_it() -> None:
    settings = {"stages": [{"name": "masked_tokens", "epochs": 1}, "supervised"]}
    for (one, _), (other, _) in zip(*both(LEVEL, settings), strict=True):
        assert other.computing.together == len(SEEDS) and "reads values" in other.computing.together_fault
        torch.testing.assert_close(weights(other), weights(one), rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("variant", ["base", "enhanced", "transformer", "cnn"])
def test_bf16_is_stacked_too(variant: str) -> None:
    for (_, result), (other, again) in zip(*both(LEVEL, {"variant": variant, "precision": "bf16"}), strict=True):
        assert (other.computing.together, other.computing.together_fault) == (len(SEEDS), "")
        assert again.test["loss"] == pytest.approx(result.test["loss"], abs=0.05)


@pytest.mark.parametrize("name", ALONE)
def test_what_cannot_be_stacked_is_computed_alone_to_the_bit(name: str) -> None:
    settings, why = ALONE[name]
    data = token_data() if name == "answers at tokens" else LEVEL
    for (one, result), (other, again) in zip(*both(data, settings), strict=True):
        assert other.computing.together == 1 and why in other.computing.together_fault
        assert torch.equal(weights(one), weights(other)) and result.test == again.test


class Peculiar(Identity):
    """Multiplies by a number that is no tensor and differs between seeds."""

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)
        self.own = 1.0 + torch.initial_seed() % 97 / 97

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return x_BND * self.own


class Scattered(Identity):
    """Draws what a stack cannot part."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return x_BND[:, :, torch.randperm(x_BND.shape[-1])]


class Private(Identity):
    """Draws from a generator of its own, another number with each pass."""

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)
        self.generator = random.Random(torch.initial_seed())

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return x_BND * (1.0 + self.generator.random())


class Counting(Identity):
    """Keeps what a pass was given, and refuses to do without."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        before = getattr(self, "last", None)
        self.last = x_BND.detach().mean()
        return x_BND if before is None else x_BND + 0.0 * before


@pytest.mark.parametrize(
    ("kind", "why"),
    [(Peculiar, "another than alone"), (Scattered, "cannot be parted"), (Private, "another than alone")],
)
def test_a_model_that_would_get_something_else_is_computed_alone(kind: type[Identity], why: str) -> None:
    settings = {"model": {"local": f"{__name__}:{kind.__name__}"}}
    alone, together = both(LEVEL, settings)
    for (one, _), (other, _) in zip(alone, together, strict=True):
        assert other.computing.together == 1 and why in other.computing.together_fault
        assert torch.equal(weights(one), weights(other)), "what was tried has left something behind"


def test_what_a_component_keeps_of_a_stack_hurts_no_run() -> None:
    for (one, _), (other, _) in zip(*both(LEVEL, {"model": {"local": f"{__name__}:Counting"}}), strict=True):
        torch.testing.assert_close(weights(other), weights(one), rtol=1e-3, atol=2e-4)


def test_a_later_step_is_held_against_the_usual_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacked_gradients, "CHECK_EVERY", 4)
    checked = []
    real = stacked_gradients._alone

    def alone(step: Any, asked: Any) -> Any:
        checked.append(asked)
        return real(step, asked)

    monkeypatch.setattr(stacked_gradients, "_alone", alone)
    both(LEVEL, {})
    assert len(checked) == len(SEEDS) * 4, "the first, fifth, ninth and thirteenth of 15 steps"


def test_steps_are_held_against_each_other_in_full_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is computed in TF32 by another kernel may differ by more than an error would."""
    place, seen = SimpleNamespace(fp32_precision="tf32"), []
    real = stacked_gradients._alone

    def alone(step: Any, asked: Any) -> Any:
        seen.append(place.fp32_precision)
        return real(step, asked)

    monkeypatch.setattr(fast, "_product_places", lambda device: (place,))
    monkeypatch.setattr(stacked_gradients, "_alone", alone)
    both(LEVEL, {})
    assert set(seen) == {"ieee"} and place.fp32_precision == "tf32"


def test_whoever_is_behind_catches_up(tmp_path: Path) -> None:
    """One seed was stopped after seven steps, another after four; all go on together."""
    settings = {"checkpoint_seconds": 0.0}
    for seed, step in ((0, 7), (1, 4)):
        (tmp_path / str(seed)).mkdir()
        with pytest.raises(StopError):
            Trainer(toy_run("base", seed, **settings), LEVEL, CPU, tmp_path / str(seed), stop_at(step)).run()
    done = Together[Done](CPU).run([partial(run, LEVEL, tmp_path, settings, seed) for seed in SEEDS])
    for seed, (trainer, result) in enumerate(done):
        one, usual = run(LEVEL, None, settings, seed)
        assert (trainer.computing.together, result.steps) == (len(SEEDS), usual.steps)
        torch.testing.assert_close(weights(trainer), weights(one), rtol=1e-3, atol=2e-4)
        steps = [json.loads(line)["step"] for line in (tmp_path / str(seed) / "curve.jsonl").read_text().splitlines()]
        assert steps == sorted(steps)


def test_one_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    def failing(seat: Seat) -> str:
        trainer = Trainer(toy_run("base", 1), LEVEL, CPU, on_step=stop_at(3), seat=seat)
        with pytest.raises(StopError):
            trainer.run()
        return "failed"

    first, failed, last = Together[Any](CPU).run(
        [partial(run, LEVEL, None, {}, 0), failing, partial(run, LEVEL, None, {}, 2)]
    )
    assert failed == "failed"
    for seed, (trainer, _) in ((0, first), (2, last)):
        torch.testing.assert_close(weights(trainer), weights(run(LEVEL, None, {}, seed)[0]), rtol=1e-3, atol=2e-4)
        assert trainer.computing.together == len(SEEDS)


class Noisy(Augmentation):
    """Draws from numpy's global generator."""

    def __init__(self, dims: Dims) -> None: ...

    def apply(self, batch: Batch, generator: torch.Generator) -> Batch:
        kept_BN = torch.from_numpy(np.random.rand(*batch.ids_BN.shape) < 0.8)
        return replace(batch, ids_BN=torch.where(kept_BN, batch.ids_BN, 5))


def test_global_generators_of_all_kinds_are_each_run_s_own() -> None:
    def seeded(seed: int, seat: Seat | None = None) -> Done:
        np.random.seed(seed)
        return run(LEVEL, None, {"augmentation": f"{__name__}:Noisy"}, seed, seat)

    alone = [seeded(seed) for seed in SEEDS]
    together = Together[Done](CPU).run([partial(seeded, seed) for seed in SEEDS])
    for (one, _), (other, _) in zip(alone, together, strict=True):
        torch.testing.assert_close(weights(other), weights(one), rtol=1e-3, atol=2e-4)


class Hungry(Identity):
    """Has room for a single text while it is trained, and for nothing in a stack."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        if self.training and len(x_BND) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to …")
        return x_BND


def test_memory_that_others_have_taken_parts_no_batch() -> None:
    """Parts draw otherwise than the whole: whoever has no room beside others is to be run alone."""
    settings = {"model": {"local": f"{__name__}:Hungry"}}
    with pytest.raises(MemoryExhaustedError, match="beside other runs"):
        Together[Done](CPU).run([partial(run, LEVEL, None, settings, seed) for seed in SEEDS])


def test_a_faint_parameter_is_looked_at_too() -> None:
    """Adam moves it as far as the others: that the norm of the whole gradient agrees says nothing of it."""

    def computed(sign: float, noise: float = 0.0) -> _Computed:
        gradients = {"strong": torch.ones(100) + noise, "faint": sign * torch.full((3,), 1e-3), "none": None}
        return _Computed({"loss": torch.tensor(1.0)}, gradients, {}, Draws.on(CPU))

    computed(1.0, noise=1e-5).check(computed(1.0))
    with pytest.raises(StackError, match="the gradient of faint is another than alone"):
        computed(-1.0).check(computed(1.0))


def test_an_interruption_ends_all_in_order() -> None:
    ended = []

    def work(number: int, seat: Seat) -> None:
        try:
            Trainer(toy_run("base", number), LEVEL, CPU, on_step=stop_at(3 if number == 1 else 99), seat=seat).run()
        except (StopError, InterruptedRunError) as error:
            ended.append((number, type(error)))
            raise

    with pytest.raises(StopError):
        Together[None](CPU).run([partial(work, number) for number in SEEDS])
    assert sorted(ended) == [(0, InterruptedRunError), (1, StopError), (2, InterruptedRunError)]


class Interrupted(Identity):
    """A signal that comes while a step is computed."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        if self.training and in_stack():
            raise InterruptedRunError
        return x_BND


def test_an_interruption_of_a_common_step_is_one_of_all() -> None:
    settings = {"model": {"local": f"{__name__}:{Interrupted.__name__}"}}
    with pytest.raises(InterruptedRunError):
        Together[Done](CPU).run([partial(run, LEVEL, None, settings, seed) for seed in SEEDS])


def test_random_numbers_are_as_they_were_afterwards() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Together[Done](CPU).run([partial(run, LEVEL, None, {}, seed) for seed in SEEDS])
    assert torch.equal(torch.rand(3), expected)


def test_a_run_alone_has_nothing_to_say_of_it() -> None:
    assert run(LEVEL, None, {}, 0)[0].computing == Computing()
