"""How long a forward pass or a training step takes: all arms side by side, at fixed shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from swarmformer.contracts import Model
from swarmformer.cost.passes import Mode, Way, check_result, make_call, random_batch
from swarmformer.cost.rounds import Check, Samples, time_arms
from swarmformer.cost.timing import now_s, torch_threads
from swarmformer.data.batching import Batch
from swarmformer.errors import SpecError
from swarmformer.modes import Precision, evaluating
from swarmformer.spec import TrainSpec
from swarmformer.training.recorder import WARM


@dataclass(frozen=True)
class Latency:
    """Seconds of one call on ``batch`` texts of ``length`` tokens; ``arm`` says of which model.

    ``compile_s``: until a model was compiled, without any cache of compiled code from before, or recorded; a compiled
    one whose graph is that of an arm before it shares its code.
    """

    arm: str
    batch: int
    length: int
    samples: Samples
    compile_s: float | None = None


def measure_latency(
    arms: Mapping[str, Model],
    *,
    batches: Sequence[int] = (1, 32),
    length: int | Mapping[str, int],
    device: torch.device,
    threads: int,
    precision: Precision = "fp32",
    mode: Mode = "forward",
    train: TrainSpec | Mapping[str, TrainSpec] | None = None,
    way: Way = "eager",
    budget_s: float = 20.0,
    min_repeats: int = 3,
    max_repeats: int = 100,
    seed: int = 0,
) -> list[Latency]:
    """Time forward passes, or training steps, with ``time_arms``: fixed shapes, every token real but masked.

    The models are moved to ``device`` and cast to ``precision``, and should not be used afterwards: training
    steps change them, and what they cache in evaluation carries no gradient.

    Args:
        arms: name → model.
        batches: batch sizes; each gets an equal share of the time that is left when its turn comes.
        length: tokens per text, the same for all or by arm.
        train: objective and optimiser where the mode is ``training``, the same for all or by arm.
        way: compiling and recording do not count against the budget.
        budget_s: start no round after so many seconds; overrun only to reach ``min_repeats``.

    Returns:
        One row per batch and arm.

    Raises:
        SpecError: no arms, or a number that makes no sense.
        OutputError: an arm whose output is not finite or has the wrong shape.
    """
    lengths = _lengths(arms, batches, length)
    trains = train if isinstance(train, Mapping) else dict.fromkeys(arms, train or TrainSpec.from_dict({}))
    calling = _Calling(mode, precision, trains, way, device, seed)
    end, rows = now_s() + budget_s, []
    with torch_threads(threads), _every_arm_compiled() if way == "compiled" else nullcontext(), ExitStack() as stack:
        for model in arms.values():
            stack.enter_context(evaluating(model.to(device)))
        for done, batch in enumerate(batches):
            made = calling.made(arms, batch, lengths)
            end += sum(made.compile_s.values())
            timed = time_arms(
                made.calls, device=device, budget_s=(end - now_s()) / (len(batches) - done), min_repeats=min_repeats,
                max_repeats=max_repeats, seed=seed, check=_check(arms, made.data, mode),
            )  # fmt: skip
            rows += [Latency(name, batch, lengths[name], row, made.compile_s.get(name)) for name, row in timed.items()]
    return rows


def _lengths(arms: Iterable[str], batches: Sequence[int], length: int | Mapping[str, int]) -> Mapping[str, int]:
    lengths = length if isinstance(length, Mapping) else dict.fromkeys(arms, length)
    if not batches or min(batches) < 1 or min(lengths.values(), default=1) < 1:
        raise SpecError(f"batch sizes and length must be at least 1, got batches={list(batches)}, length={length}")
    return lengths


@dataclass(frozen=True)
class _Made:
    """The calls of all arms at one batch size, ready to be timed."""

    data: dict[str, Batch]
    calls: dict[str, Callable[[], Tensor]]
    compile_s: dict[str, float]


@dataclass(frozen=True)
class _Calling:
    """What all calls have in common."""

    mode: Mode
    precision: Precision
    train: Mapping[str, TrainSpec]
    way: Way
    device: torch.device
    seed: int

    def made(self, arms: Mapping[str, Model], batch: int, lengths: Mapping[str, int]) -> _Made:
        data = {
            name: random_batch(model, batch, lengths[name], device=self.device, seed=self.seed)
            for name, model in arms.items()
        }
        calls = {
            name: make_call(model, data[name], self.mode, self.precision, self.train[name], way=self.way)
            for name, model in arms.items()
        }
        return _Made(data, calls, {} if self.way == "eager" else _first_calls(calls, self.way))


@contextmanager
def _every_arm_compiled() -> Iterator[None]:
    """All arms share the code of ``Model.forward``, of which torch keeps eight compilations and runs the rest plainly
    without an error: room for every arm, and an error where that does not do."""
    import torch._dynamo  # here: it takes seconds, and only what is compiled needs it

    most = torch._dynamo.config.accumulated_recompile_limit
    with torch._dynamo.config.patch(recompile_limit=most, fail_on_recompile_limit_hit=True):
        yield


def _first_calls(calls: Mapping[str, Callable[[], Tensor]], way: Way) -> dict[str, float]:
    """Seconds until each arm is compiled, code compiled by earlier runs left aside, or recorded.

    Torch forgets all that it compiled before the first of them, not between: it would compile again while it is timed.
    """
    if way == "captured":
        return {name: sum(_seconds(call) for _ in range(WARM + 1)) for name, call in calls.items()}
    from torch._inductor import config

    torch.compiler.reset()
    with config.patch(force_disable_caches=True):
        return {name: _seconds(call) for name, call in calls.items()}


def _seconds(call: Callable[[], Tensor]) -> float:
    start = now_s()
    call()
    return now_s() - start


def _check(arms: Mapping[str, Model], data: Mapping[str, Batch], mode: Mode) -> Check:
    def check(name: str, result: Tensor) -> None:
        batch, length = data[name].ids_BN.shape
        check_result(f"{name} (batch {batch}, length {length})", arms[name], data[name], mode, result)

    return check
