"""fp32 or bf16: the faster is taken, a slower one that is fixed is told, and a checkpoint keeps what it was made in."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from swarmformer.assembly import assemble
from swarmformer.cost import precision
from swarmformer.cost.precision import (
    Rates,
    chosen_precision,
    forward_precision,
    measure_rates,
    product_rates,
    rates_here,
)
from swarmformer.errors import SpecError
from swarmformer.modes import autocast
from swarmformer.ops.attention import recording
from swarmformer.records import PRECISION, Precisions, UnreadableFileError, load
from swarmformer.spec import RunSpec
from swarmformer.training import precisions
from swarmformer.training.loop import Trainer
from swarmformer.training.shares import BatchShare
from swarmformer.training.step import TrainingStep
from tests.training.toys import toy_data, toy_run

CPU = torch.device("cpu")
FAST = Rates({"fp32": 5e10, "bf16": 4e11}, {"fp32": 0.4, "bf16": 0.1})
SLOW = Rates({"fp32": 6e10, "bf16": 2e9}, {})


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMFORMER_CACHE", str(tmp_path / "cache"))


def take(rates: Rates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "measure_rates", lambda model, train, length, ranks: rates)


@pytest.mark.parametrize(
    ("rates", "faster"),
    [
        (FAST, "bf16"),
        (SLOW, "fp32"),
        (Rates({"fp32": 1e10, "bf16": 9e10}, {"fp32": 0.1, "bf16": 0.2}), "fp32"),  # casts cost more than products save
        (Rates({"fp32": 1e10, "bf16": 2e10}, {"fp32": 0.105, "bf16": 0.1}), "fp32"),  # within the noise
    ],
)
def test_the_faster_is_taken(rates: Rates, faster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    take(rates, monkeypatch)
    spec = toy_run(precision="auto")
    assert rates.faster == faster == chosen_precision(spec, assemble(spec.model), spec.train)


def test_where_nothing_can_be_kept_it_is_measured_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SWARMFORMER_CACHE", str(tmp_path / "file"))
    take(FAST, monkeypatch)
    spec = toy_run(precision="auto")
    assert chosen_precision(spec, assemble(spec.model), spec.train) == "bf16"
    assert "SWARMFORMER_CACHE names another folder" in caplog.text


@pytest.mark.parametrize(("rates", "told"), [(SLOW, True), (FAST, False)])
def test_a_fixed_bf16_that_is_slower_is_told(
    rates: Rates, told: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    take(rates, monkeypatch)
    spec = toy_run(precision="bf16")
    with caplog.at_level(logging.WARNING, logger="swarmformer.training"):
        assert chosen_precision(spec, assemble(spec.model), spec.train) == "bf16"
    assert ("60 GFLOP/s in fp32, 2 in bf16" in caplog.text) is told


def test_measured_once_and_with_nothing_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = toy_run(precision="auto")
    model = assemble(spec.model).eval()
    weights, state = [p.clone() for p in model.parameters()], torch.get_rng_state()
    monkeypatch.setattr(precision, "product_rates", lambda products, device: {"fp32": 1.0, "bf16": 1.0})
    monkeypatch.setattr(precision, "STEPS_S", 0.0)
    with recording() as attention:
        found = rates_here(spec, model, spec.train)
    assert attention.rows() == [], "what is measured is no part of a run"
    assert set(found.step_s) == {"fp32", "bf16"} and min(found.step_s.values()) > 0
    assert torch.equal(state, torch.get_rng_state()) and not model.training
    assert all(torch.equal(old, new) and new.grad is None for old, new in zip(weights, model.parameters(), strict=True))
    monkeypatch.setattr(precision, "measure_rates", None)
    assert rates_here(spec, model, spec.train) == found


def test_products_settle_it_where_bf16_is_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(precision, "product_rates", lambda products, device: asked.extend(products) or SLOW.products)
    spec = toy_run()
    assert measure_rates(assemble(spec.model), spec.train, 16).step_s == {}
    assert {rows for rows, _, _ in asked} == {8 * 16} and (16, 2) in {(K, N) for _, K, N in asked}


def test_a_device_without_products_in_bf16_trains_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a GPU before Volta, for which cuBLAS has none and says so by an error."""
    whole = precision._all_of

    def of_old_cards(shapes: object, device: torch.device, dtype: torch.dtype) -> object:
        def call() -> None:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx`\nmore")

        return call if dtype == torch.bfloat16 else whole(shapes, device, dtype)  # type: ignore[arg-type]

    monkeypatch.setattr(precision, "_all_of", of_old_cards)
    rates = product_rates([], CPU)
    assert rates["bf16"] == 0.0 and rates["fp32"] > 0
    spec = toy_run(precision="auto")
    model = assemble(spec.model)
    assert chosen_precision(spec, model, spec.train) == "fp32" == forward_precision(model, "auto")
    fixed = toy_run(precision="bf16")
    with pytest.raises(SpecError, match="this device has no products in bf16; use fp32, or auto"):
        chosen_precision(fixed, model, fixed.train)


def test_memory_that_ends_says_nothing_of_products(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(precision, "_all_of", lambda shapes, device, dtype: full)
    with pytest.raises(torch.OutOfMemoryError):
        product_rates([], CPU)


@pytest.mark.parametrize(("room", "timed"), [(3, [8, 4, 2]), (0, [8, 4, 2, 1])])
def test_where_memory_ends_less_is_timed_and_the_run_goes_on(
    room: int, timed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training halves its batches itself: a trial before it must not end it."""
    tried = []

    def seconds(model: object, train: object, texts: int, length: int) -> dict[str, float]:
        tried.append(texts)
        if texts > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return {"fp32": 0.2, "bf16": 0.1}

    monkeypatch.setattr(precision, "product_rates", lambda products, device: FAST.products)
    monkeypatch.setattr(precision, "_step_seconds", seconds)
    spec = toy_run(precision="auto")
    assert chosen_precision(spec, assemble(spec.model), spec.train) == "bf16" and tried == timed


def test_a_trial_of_a_step_that_memory_does_not_hold_is_made_with_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step halves itself once before the trial sees that it did."""
    usual = TrainingStep._gradients_of

    def full(step: TrainingStep, share: BatchShare) -> object:
        if len(share.part.ids_BN) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return usual(step, share)

    monkeypatch.setattr(precision, "product_rates", lambda products, device: FAST.products)
    monkeypatch.setattr(precision, "STEPS_S", 0.0)
    monkeypatch.setattr(TrainingStep, "_gradients_of", full)
    monkeypatch.setattr("swarmformer.training.step.training_pieces", lambda *of: [])
    spec = toy_run(precision="auto")
    assert set(measure_rates(assemble(spec.model), spec.train, 16).step_s) == {"fp32", "bf16"}


def test_an_error_that_is_not_of_memory_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*of: object) -> dict[str, float]:
        raise RuntimeError("a component's own")

    monkeypatch.setattr(precision, "product_rates", lambda products, device: FAST.products)
    monkeypatch.setattr(precision, "_step_seconds", broken)
    spec = toy_run(precision="auto")
    with pytest.raises(RuntimeError, match="a component's own"):
        measure_rates(assemble(spec.model), spec.train, 16)


def test_each_of_several_processes_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(precision, "product_rates", lambda products, device: FAST.products)
    monkeypatch.setattr(precision, "_step_seconds", lambda model, train, texts, length: asked.append(texts) or {})
    spec = toy_run(precision="auto")
    for ranks in (1, 3):
        rates_here(spec, assemble(spec.model), spec.train, ranks)
    assert asked == [8, 3]


def test_a_model_that_is_asked_is_tried_with_what_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = precision.random_batch

    def scarce(model: object, texts: int, *shape: int, **how: object) -> object:
        if texts > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return usual(model, texts, *shape, **how)

    monkeypatch.setattr(precision, "product_rates", lambda products, device: FAST.products)
    monkeypatch.setattr(precision, "STEPS_S", 0.0)
    monkeypatch.setattr(precision, "random_batch", scarce)
    assert forward_precision(assemble(toy_run().model), "auto") in ("fp32", "bf16")


def test_rates_are_of_both() -> None:
    rates = product_rates([(64, 8, 8)], CPU)
    assert set(rates) == {"fp32", "bf16"} and min(rates.values()) > 0


def test_undecided_is_refused() -> None:
    with pytest.raises(SpecError, match="not decided"):
        autocast(CPU, "auto")
    with pytest.raises(SpecError, match="unknown precision 'bfloat16'"):
        autocast(CPU, "bfloat16")


def test_a_run_says_what_it_was_computed_in_and_goes_on_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begun where bf16 is faster, ended where it is not: as if it had never been moved."""
    take(FAST, monkeypatch)
    spec = toy_run(precision="auto", checkpoint_seconds=0.0)
    whole = Trainer(spec, toy_data(), CPU)
    result = whole.run()
    assert whole.precision == "bf16"
    stop_in(tmp_path / "moved", spec)
    take(SLOW, monkeypatch)
    monkeypatch.setenv("SWARMFORMER_CACHE", str(tmp_path / "elsewhere"))
    with pytest.raises(SpecError, match=r"was computed in bf16, but train\.precision is fp32"):
        Trainer(toy_run(precision="fp32"), toy_data(), CPU, tmp_path / "moved").run()
    moved = Trainer(spec, toy_data(), CPU, tmp_path / "moved")
    assert torch.equal(moved.run().test_logits_NK, result.test_logits_NK) and moved.precision == "bf16"


def stop_in(folder: Path, spec: RunSpec) -> None:
    def stop(done: int, total: int, words: str) -> None:
        if done == 7:
            raise KeyboardInterrupt

    folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        Trainer(spec, toy_data(), CPU, folder, stop).run()


def test_auto_and_fp32_have_one_key_and_bf16_its_own() -> None:
    keys = {word: toy_run(precision=word).run_key for word in ("auto", "fp32", "bf16")}
    assert keys["auto"] == keys["fp32"] != keys["bf16"]
    stages = {word: toy_run(precision="bf16", stages=[{"name": "supervised", "precision": word}]).run_key
              for word in ("auto", "fp32")}  # fmt: skip
    assert stages["auto"] == stages["fp32"]


def test_all_arms_of_a_grid_compute_in_what_the_first_chose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One by one, two arms would differ. Another device or grid chooses anew, and what is fixed stays."""
    (tmp_path / "other").mkdir()

    def of(variant: str, grid: Path, **train: object) -> str:
        spec = toy_run(variant, **{"precision": "auto", **train})
        return Trainer(spec, toy_data(), CPU, grid=grid).precision

    take(FAST, monkeypatch)
    assert of("base", tmp_path) == "bf16"
    take(SLOW, monkeypatch)
    assert of("base+windowed", tmp_path / "other") == "fp32"
    assert of("base+windowed", tmp_path) == of("base+positions", tmp_path) == "bf16"
    assert of("base+positions", tmp_path, precision="fp32") == "fp32"
    first = {"name": "masked_tokens", "epochs": 1, "precision": "fp32"}
    assert of("base", tmp_path, stages=[first, "supervised"]) == "fp32+bf16"
    [(name, there)] = load(tmp_path / PRECISION, Precisions).chosen.items()
    assert there.run_key == toy_run("base", precision="auto").run_key and "50 GFLOP/s in fp32" in there.rates
    monkeypatch.setattr(precisions, "device_name", lambda device: f"not {name}")
    assert of("base+positions", tmp_path) == "fp32"


def test_a_choice_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / PRECISION).write_text("{")
    with pytest.raises(UnreadableFileError, match=r"precision\.json"):
        Trainer(toy_run(precision="auto"), toy_data(), CPU, grid=tmp_path)
    assert (tmp_path / PRECISION).read_text() == "{"
