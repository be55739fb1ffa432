from __future__ import annotations

import gc
import statistics
import time

import pytest
import torch
from torch import nn

from swarmformer.cost.latency import measure_latency
from swarmformer.cost.passes import make_call, random_batch
from swarmformer.cost.probe import OutputError
from swarmformer.cost.rounds import SETTLE_BELOW_S
from swarmformer.errors import SpecError
from swarmformer.spec import TrainSpec

LONG = 2 * SETTLE_BELOW_S
"""A call that is not settled first: each call after the warm-up is a sample."""


def timed_calls(log: list[str], arms: int, repeats: int) -> list[list[str]]:
    """The names called, round by round, without output check and warm-up."""
    calls = log[-arms * repeats :]
    return [calls[start : start + arms] for start in range(0, len(calls), arms)]


def test_median_and_percentiles(clock, fake_model, cpu):
    durations = []

    def call(ids, mask):
        durations.append(LONG * (1 + len(durations) * 7 % 13))
        clock.advance(durations[-1])

    row = measure_latency(
        {"a": fake_model(on_call=call)}, batches=[4], length=8, device=cpu, threads=1, budget_s=1e9, max_repeats=25
    )[0]
    cuts = statistics.quantiles(durations[-25:], n=20, method="inclusive")
    found = row.samples
    assert (row.arm, row.batch, row.length, found.n) == ("a", 4, 8, 25)
    assert found.seconds == pytest.approx(durations[-25:])
    assert found.p50 == pytest.approx(statistics.median(durations[-25:]))
    assert [found.percentile(q) for q in (20, 80, 90, 95)] == pytest.approx([cuts[3], cuts[15], cuts[17], cuts[18]])


def test_real_clock(fake_model, cpu):
    arms = {
        "fast": fake_model(on_call=lambda ids, mask: time.sleep(0.02)),
        "slow": fake_model(on_call=lambda ids, mask: time.sleep(0.06)),
    }
    fast, slow = measure_latency(arms, batches=[1], length=4, device=cpu, threads=1, budget_s=1.0)
    assert fast.samples.p50 >= 0.02 and slow.samples.p50 >= 0.06, "a busy machine may only make it more"
    assert fast.samples.p50 < slow.samples.p50


def logged(fake_model, clock, log, names, duration=LONG):
    def arm(name):
        def call(ids, mask):
            log.append(name)
            clock.advance(duration)

        return fake_model(on_call=call)

    return {name: arm(name) for name in names}


def test_rounds_are_interleaved_in_random_order(clock, fake_model, cpu):
    def rounds(seed):
        log: list[str] = []
        arms = logged(fake_model, clock, log, "abcd")
        measure_latency(arms, batches=[1], length=4, device=cpu, threads=1, budget_s=1e9, max_repeats=20, seed=seed)
        return timed_calls(log, 4, 20)

    first = rounds(0)
    assert all(sorted(order) == list("abcd") for order in first)
    assert len({tuple(order) for order in first}) > 5
    assert rounds(0) == first != rounds(1)


def test_drift_hits_all_alike(clock, fake_model, cpu):
    """The machine slows down tenfold while two equal arms are timed."""

    def call(ids, mask):
        clock.advance(LONG * (1 + clock.s))

    arms = {"a": fake_model(on_call=call), "b": fake_model(on_call=call)}
    a, b = measure_latency(arms, batches=[1], length=4, device=cpu, threads=1, budget_s=1e9, max_repeats=60)
    assert a.samples.percentile(95) > 5 * a.samples.percentile(20)
    assert a.samples.p50 == pytest.approx(b.samples.p50, rel=0.05)


@pytest.mark.parametrize(("duration", "calls_per_sample"), [(SETTLE_BELOW_S / 10, 2), (LONG, 1)])
def test_short_calls_are_settled(duration, calls_per_sample, clock, fake_model, cpu):
    def calls(repeats):
        log: list[str] = []
        arms = logged(fake_model, clock, log, "ab", duration)
        measure_latency(arms, batches=[1], length=4, device=cpu, threads=1, budget_s=1e9, max_repeats=repeats)
        return len(log)

    assert calls(20) - calls(10) == 10 * 2 * calls_per_sample


def test_budget_is_kept_and_shared(clock, fake_model, cpu):
    arms = logged(fake_model, clock, [], "abc", duration=0.1)
    rows = measure_latency(arms, batches=[1, 32], length=4, device=cpu, threads=1, budget_s=12.0)
    one_round = 3 * 0.1
    assert 12.0 <= clock.s <= 12.0 + 2 * one_round
    assert all(abs(row.samples.n - 18) <= 1 for row in rows)  # 6 s, less check and warm-up, per batch size


def test_time_left_over_goes_to_the_next_batch(clock, fake_model, cpu):
    def call(ids, mask):
        clock.advance(LONG if len(ids) == 1 else 10 * LONG)

    small, large = measure_latency(
        {"a": fake_model(on_call=call)},
        batches=[1, 32],
        length=4,
        device=cpu,
        threads=1,
        budget_s=10.0,
        max_repeats=50,
    )
    assert small.samples.n == 50
    assert large.samples.n > 0.5 * 10.0 / (10 * LONG)


def test_least_repeats_without_time(clock, fake_model, cpu):
    arms = logged(fake_model, clock, [], "ab")
    rows = measure_latency(arms, length=4, device=cpu, threads=1, budget_s=0.0, min_repeats=4)
    assert [row.samples.n for row in rows] == [4] * 4


def test_conditions_of_the_timed_calls(fake_model, dims, cpu):
    seen = []
    before = torch.get_num_threads()

    def call(ids, mask):
        conditions = (model.inner[1].training, torch.is_inference_mode_enabled(), gc.isenabled())
        seen.append((*conditions, torch.get_num_threads()))
        assert ids.dtype == torch.int64 and int(ids.min()) >= 0 and int(ids.max()) < dims.vocab_size
        assert mask.dtype == torch.bool and mask.shape == ids.shape == (2, 9) and bool(mask.all())

    model = fake_model(on_call=call)
    model.inner[0].eval()
    measure_latency({"a": model}, batches=[2], length=9, device=cpu, threads=before + 1, budget_s=0.0)
    assert set(seen) == {(False, True, False, before + 1)}
    assert (torch.get_num_threads(), gc.isenabled()) == (before, True)
    assert [model.training, model.inner[0].training, model.inner[1].training] == [True, False, True]


def test_training_steps_train(dims, wrap, cpu):
    """Every timed call is a step: the loss of one batch falls, in training mode, and gradients are gone after it."""
    model = wrap(dims, nn.Sequential(nn.Flatten(), nn.Linear(4 * 8, 3)))
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    train = TrainSpec.from_dict({"lr": 0.05, "weight_decay": 0.0})
    batch = random_batch(model, 16, 4, device=cpu, seed=0)
    loss = float(make_call(model, batch, "training", "fp32", train)())
    row = measure_latency(
        {"a": model}, batches=[16], length=4, device=cpu, threads=1, mode="training", train=train, max_repeats=20
    )[0]
    after = float(make_call(model, batch, "training", "fp32", train)())
    assert row.samples.n == 20 and after < 0.2 * loss
    assert all(not torch.equal(weight, before[name]) for name, weight in model.named_parameters())
    assert all(weight.grad is None for weight in model.parameters())


def test_each_arm_trains_as_its_own_specification_says(dims, wrap, cpu):
    models = {name: wrap(dims, nn.Sequential(nn.Flatten(), nn.Linear(5 * 8, 3))) for name in ("still", "moved")}
    before = {name: [p.detach().clone() for p in model.parameters()] for name, model in models.items()}
    train = {name: TrainSpec.from_dict({"lr": lr}) for name, lr in (("still", 1e-30), ("moved", 1e-2))}
    measure_latency(models, batches=[2], length=5, device=cpu, threads=1, mode="training", train=train, budget_s=0.1)
    moved = {name: any(not torch.equal(p, old) for p, old in zip(model.parameters(), before[name], strict=True))
             for name, model in models.items()}  # fmt: skip
    assert moved == {"still": False, "moved": True}


def test_a_loss_that_is_no_number_is_not_timed(dims, wrap, cpu):
    model = wrap(dims, nn.Sequential(nn.Flatten(), nn.Linear(4 * 8, 3)))
    model.body[1].weight.data.fill_(float("inf"))
    with pytest.raises(OutputError, match=r"a \(batch 2, length 4\): the loss"):
        measure_latency({"a": model}, batches=[2], length=4, device=cpu, threads=1, mode="training")


@pytest.mark.slow
def test_compiling_is_timed_apart(dims, wrap, cpu):
    model = wrap(dims, nn.Sequential(nn.Flatten(), nn.Linear(4 * 8, 3)))
    options = {"batches": [2], "length": 4, "device": cpu, "threads": 1, "budget_s": 0.2}
    compiled = measure_latency({"a": model}, way="compiled", **options)[0]
    assert compiled.compile_s > 0.2 > 10 * compiled.samples.p50
    assert measure_latency({"a": model}, **options)[0].compile_s is None


def test_every_arm_runs_compiled_and_is_compiled_once(dims, wrap, cpu, monkeypatch):
    """Ten arms, which is more than torch keeps compilations of one function by itself."""
    runs: list[int] = []

    def backend(module, inputs):
        number = len(runs)
        runs.append(0)

        def graph(*arguments):
            runs[number] += 1
            return module.forward(*arguments)

        return graph

    def arm(width):
        return wrap(dims, nn.Sequential(nn.Flatten(), nn.Linear(4 * 8, width), nn.Linear(width, 3)))

    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda call, dynamic=None: real(call, dynamic=dynamic, backend=backend))
    arms = {str(width): arm(width) for width in range(1, 11)}
    options = {"length": 4, "device": cpu, "threads": 1, "min_repeats": 5, "max_repeats": 5}
    measure_latency(arms, batches=[1, 2], way="compiled", **options)
    assert len(runs) == 2 * 10
    assert min(runs) > 5


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (torch.full((2, 3), float("nan")), "6 of 6 logits"),
        (torch.tensor([[0.0, 1.0, 2.0], [0.0, float("inf"), 0.0]]), "1 of 6 logits"),
        (torch.zeros(2, 4), r"shape \(2, 4\), expected \(2, 3\)"),
    ],
)
def test_wrong_output_is_not_timed(logits, message, fake_model, cpu):
    arms = {"good": fake_model(), "broken": fake_model(on_call=lambda ids, mask: logits)}
    before = torch.get_num_threads()
    with pytest.raises(OutputError, match=f"broken.*{message}"):
        measure_latency(arms, batches=[2], length=4, device=cpu, threads=before + 1)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arms": {}}, "no arms"),
        ({"batches": []}, "batch sizes"),
        ({"batches": [0]}, "batch sizes"),
        ({"length": 0}, "length"),
        ({"threads": 0}, "threads"),
        ({"min_repeats": 0}, "min_repeats"),
        ({"min_repeats": 5, "max_repeats": 4}, "max_repeats"),
    ],
)
def test_senseless_numbers(change, message, fake_model, cpu):
    arguments = {"arms": {"a": fake_model()}, "length": 4, "device": cpu, "threads": 1, **change}
    with pytest.raises(SpecError, match=message):
        measure_latency(arguments.pop("arms"), **arguments)
