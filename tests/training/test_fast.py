"""What a GPU needs to be fast, as far as it shows without one: whole graphs, and steps that read nothing back."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from swarmformer.assembly import assemble
from swarmformer.ops.switch import use_fast
from swarmformer.spec import TrainSpec
from swarmformer.training.fast import COMPILE_STEPS, cannot_compile, compiles, products_in_tf32
from swarmformer.training.loop import Trainer
from swarmformer.training.objectives.adversarial import Adversarial
from swarmformer.training.objectives.cross_entropy import CrossEntropy
from swarmformer.variants import list_variants, load_factors
from tests.training.runs import CPU, DATA
from tests.training.toys import toy_run

GPU = torch.device("cuda")
SHIPPED = [*list_variants(), *(f"base+{factor}" for factor in load_factors())]
BROKEN: dict[str, str] = {}
"""Shipped variants that do not compile into one graph, with the reason: none."""
QUICK = "deep_averaging"


@pytest.mark.parametrize("name", [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow)
                                  for name in SHIPPED if name not in BROKEN])  # fmt: skip
def test_a_variant_is_one_graph_forward_and_backward_in_training_and_evaluation(name: str) -> None:
    torch.compiler.reset()
    model = assemble(toy_run(name).model)
    ids_BN, mask_BN = torch.randint(3, 14, (4, 16)), torch.arange(16) < torch.tensor([[16], [5], [9], [16]])
    whole = torch.compile(model.detailed, fullgraph=True, backend="aot_eager", dynamic=False)
    output = whole(ids_BN, mask_BN)
    (output.logits_BK.float().sum() + sum(output.losses.values())).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    model.eval()
    with torch.no_grad(), use_fast(False):
        torch.testing.assert_close(whole(ids_BN, mask_BN).logits_BK, model(ids_BN, mask_BN), atol=1e-4, rtol=1e-4)




READING = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::_unique2", "aten::equal",
           "aten::repeat_interleave.Tensor", "aten::bincount"}  # fmt: skip
METHODS = {"item", "tolist", "cpu", "numpy", "__bool__", "__int__", "__float__", "__index__", "nonzero", "to_list"}


class Reads(TorchFunctionMode):
    """Lists the places where a value of a tensor is read back, or decides a shape; a GPU would be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []
        self.below = _Below(self.places)

    def __enter__(self) -> Any:
        self.below.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.below.__exit__(*error)

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if getattr(function, "__name__", "") in METHODS:
            self.places.append(_place(function.__name__))
        return function(*args, **(kwargs or {}))


class _Below(TorchDispatchMode):
    def __init__(self, places: list[str]) -> None:
        super().__init__()
        self.places = places

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(function.name())
        indices = args[1] if name.startswith("aten::index") and len(args) > 1 and isinstance(args[1], list) else ()
        if name in READING or any(isinstance(i, Tensor) and i.dtype == torch.bool for i in indices):
            self.places.append(_place(name))
        return function(*args, **(kwargs or {}))


def _place(what: str) -> str:
    own = [frame for frame in traceback.extract_stack() if "/swarmformer/" in frame.filename]
    return f"{what} at {own[-1].filename.rpartition('/swarmformer/')[2]}:{own[-1].lineno}" if own else what


CASES: dict[str, dict[str, Any]] = {
    "base+gumbel": {"augmentation": "word_dropout", "ema_decay": 0.9, "ema_warmup": True},
    "base": {},
    "enhanced": {},
    "base+coherence_loss": {"micro_batch": 3},
    "transformer": {"objective": "r_drop"},
    "lumenspark": {"objective": "adversarial"},
    "cnn": {"label_smoothing": 0.1},
    "ngrams": {},
}
QUICK_STEP, *LONGER = CASES


@pytest.mark.parametrize("variant", [QUICK_STEP, *(pytest.param(name, marks=pytest.mark.slow) for name in LONGER)])
def test_a_step_reads_nothing_back(variant: str) -> None:
    """Without the fast paths of a CPU, which look at lengths: a GPU has none of them."""
    with use_fast(False):
        trainer = Trainer(toy_run(variant, **CASES[variant]), DATA, CPU)
        trainer.model.train()
        batches = trainer.now.augmented(0, 0)
        trainer._step(next(batches))  # the optimiser makes its state in the first
        with Reads() as reads:
            trainer._step(next(batches))
    # Of the CPU's own: the moving average counts its steps there, the optimiser's steps stand there unless it is fused.
    assert [place for place in reads.places if "training/average.py" not in place] == []


def test_pretraining_reads_how_many_tokens_are_told() -> None:
    """Once a step, to make logits of these tokens alone and not of all: 15 of 100 are told."""
    with use_fast(False):
        trainer = Trainer(toy_run("base", objective="masked_tokens", stages=["masked_tokens"]), DATA, CPU)
        trainer.model.train()
        with Reads() as reads:
            trainer._step(next(trainer.now.augmented(0, 0)))
    places = {place.partition(" at ")[2].partition(":")[0] for place in reads.places}
    assert places <= {"training/objectives/masked_tokens.py", "training/step.py"} and len(places) > 0  # and backwards


def test_reads_are_seen() -> None:
    x = torch.arange(3.0)
    with Reads() as reads:
        x.tolist(), bool(x.sum() > 0), x[x > 1], float(x[0])
    assert len(reads.places) >= 4


@pytest.mark.parametrize(
    ("asked", "device", "steps", "objective", "answer"),
    [
        (True, CPU, 1, CrossEntropy, True), (False, GPU, COMPILE_STEPS, CrossEntropy, False),
        ("auto", CPU, COMPILE_STEPS, CrossEntropy, False), ("auto", GPU, COMPILE_STEPS, CrossEntropy, True),
        ("auto", GPU, COMPILE_STEPS - 1, CrossEntropy, False), ("auto", GPU, COMPILE_STEPS, Adversarial, False),
    ],
)  # fmt: skip
def test_auto_compiles_where_it_may_pay(
    asked: Any, device: torch.device, steps: int, objective: Any, answer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    dims = toy_run().model.dims
    assert compiles(TrainSpec.from_dict({"compile": asked}), device, steps, objective(dims)) is answer


def test_how_it_is_computed_is_no_part_of_the_key() -> None:
    assert toy_run(compile=False).run_key == toy_run(compile="auto").run_key == toy_run(tf32=False).run_key
    assert toy_run(compile=True).run_key != toy_run().run_key
    stages = [{"name": "supervised", "compile": False}]
    assert toy_run(compile=True, stages=stages).run_key == toy_run(
        compile=True, stages=[{"name": "supervised", "compile": "auto"}]
    ).run_key


def test_tf32_is_switched_for_a_while_and_on_a_gpu_alone() -> None:
    places = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)
    before = [place.fp32_precision for place in places]
    for on, word in ((True, "tf32"), (False, "ieee")):
        with products_in_tf32(GPU, on):
            assert [place.fp32_precision for place in places] == [word] * 2
    with products_in_tf32(CPU, True):
        assert [place.fp32_precision for place in places] == before
    assert [place.fp32_precision for place in places] == before


@pytest.mark.parametrize("asked", ["auto", True])
def test_a_compiler_that_fails_costs_the_run_only_where_it_was_asked_for(
    asked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._dynamo.exc import BackendCompilerFailed

    def fails(*args: Any) -> None:
        raise BackendCompilerFailed(lambda: None, RuntimeError("no kernel for this"), None)

    monkeypatch.setattr("swarmformer.training.learner.compiles", lambda *args: True)
    monkeypatch.setattr("swarmformer.training.step.compiled", lambda *of: fails)
    trainer = Trainer(toy_run(epochs=1, compile=asked), DATA, CPU)
    if asked is True:
        with pytest.raises(BackendCompilerFailed):
            trainer.run()
        return
    trainer.run()
    assert not trainer.computing.compiled and "no kernel for this" in trainer.computing.compile_fault
    assert not cannot_compile(RuntimeError("of the model's own"))
