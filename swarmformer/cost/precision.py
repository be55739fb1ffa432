"""fp32 or bf16: which of the two is faster on this machine, measured and not guessed.

A processor takes bf16 or merely bears it: with AVX2 alone a bf16 product runs at a thirtieth of the rate of fp32, with
AMX or on a GPU at a multiple. Products settle it where bf16 is slower at them, as nothing else is quicker in bf16 than
they are; else whole training steps do, in which autocast pays for its casts.
"""

from __future__ import annotations

import copy
import json
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from filelock import FileLock
from torch import Tensor, nn

from swarmformer.contracts import Model
from swarmformer.cost.machine import Product
from swarmformer.cost.passes import make_call, random_batch
from swarmformer.cost.timing import no_garbage_collection, now_s, seconds
from swarmformer.environment import describe_machine, device_name, matmul_precision
from swarmformer.errors import SpecError
from swarmformer.ops.attention import unrecorded
from swarmformer.records import write_bytes_atomically
from swarmformer.run_key import digest
from swarmformer.settings import cache_dir
from swarmformer.spec import RunSpec, TrainSpec
from swarmformer.training.faults import ran_out_of_memory

logger = logging.getLogger("swarmformer.training")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
USUAL: Product = (512, 128, 128)
"""Tried beside the products of a model, which may be too small to tell anything."""
MOST_FLOP = {"cpu": 3e7, "cuda": 1e11}
"""Operations of all products tried: 0.05 s on a CPU at the slowest rate seen."""
REPEATS, STEPS_S = 3, 0.3
"""Rounds at least, and seconds that short steps are timed for."""
GAIN = 1.1
"""bf16 is taken where a step is so many times faster: within the noise of a timing the more exact one stays."""


@dataclass(frozen=True)
class Rates:
    """What both precisions reach. ``products``: FLOP/s (multiply-adds × 2) of the model's matrix products;
    ``step_s``: seconds of a training step, empty where the products settled it."""

    products: dict[str, float]
    step_s: dict[str, float]

    @property
    def gain(self) -> float:
        """How many times faster bf16 is."""
        if self.step_s:
            return self.step_s["fp32"] / self.step_s["bf16"]
        return self.products["bf16"] / self.products["fp32"]

    @property
    def faster(self) -> Literal["fp32", "bf16"]:
        return "bf16" if self.gain >= GAIN else "fp32"

    def words(self) -> str:
        """``products at 61.3 GFLOP/s in fp32, 2.0 in bf16``, and the steps where they were timed."""
        said = "products at {fp32:.3g} GFLOP/s in fp32, {bf16:.3g} in bf16".format(
            **{name: rate / 1e9 for name, rate in self.products.items()}
        )
        return said + ("; a step takes {fp32:.3g} s in fp32, {bf16:.3g} in bf16".format(**self.step_s) if self.step_s
                       else "")  # fmt: skip


def product_rates(products: Iterable[Product], device: torch.device) -> dict[str, float]:
    """FLOP/s over these products in either precision: the best of three rounds, each product a first time before.

    0 in bf16 where the device has no such products, as GPUs before Volta with today's cuBLAS.
    """
    shapes = _shortened([USUAL, *products], MOST_FLOP[device.type])
    flop = sum(2 * math.prod(shape) for shape in shapes)
    rates = {}
    with no_garbage_collection(), torch.inference_mode():
        for name, dtype in DTYPES.items():
            call = _all_of(shapes, device, dtype)
            if name == "bf16" and not _runs(call):
                rates[name] = 0.0
                continue
            call()
            rates[name] = flop / min(seconds(call, device) for _ in range(REPEATS))
    return rates


def _runs(call: Callable[[], None]) -> bool:
    """Whether the device has what is called for; running out of memory says nothing of that."""
    try:
        call()
    except RuntimeError as error:
        if ran_out_of_memory(error):
            raise
        logger.info("no products in bf16 here: %s", str(error).partition("\n")[0])
        return False
    return True


def _shortened(products: Sequence[Product], most_flop: float) -> list[Product]:
    share = most_flop / len(products)
    return [(max(1, min(rows, int(share / (2 * K * N)))), K, N) for rows, K, N in products]


def _all_of(shapes: Iterable[Product], device: torch.device, dtype: torch.dtype) -> Callable[[], None]:
    def ones(rows: int, columns: int) -> Tensor:
        return torch.ones(rows, columns, dtype=dtype, device=device)

    pairs = [(ones(rows, inner), ones(inner, columns)) for rows, inner, columns in shapes]

    def call() -> None:
        for left, right in pairs:
            left @ right

    return call


def measure_rates(model: Model, train: TrainSpec, length: int, ranks: int = 1) -> Rates:
    """Both precisions at the shapes that a model, left as it is, is trained at: its products, and steps where bf16 is
    not slower at those, of one process's share of a batch. Draws no random numbers of the caller's."""
    device, texts = next(model.parameters()).device, -(-train.batch_size // ranks)
    products = product_rates(_products(model, texts * length), device)
    settled = Rates(products, {})
    if settled.gain < 1 / GAIN:
        return settled
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        return Rates(products, _fitting(texts, lambda held: _step_seconds(model, train, held, length), device))


def _fitting(texts: int, measure: Callable[[int], dict[str, float]], device: torch.device) -> dict[str, float]:
    """Measured with as many texts as memory holds, halved as training halves them; empty, so that products settle it,
    where not even one fits: what then trains or answers has more to say of that."""
    while texts:
        try:
            return measure(texts)
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
        if device.type == "cuda":
            torch.cuda.empty_cache()
        logger.info("memory does not hold %d texts while both precisions are timed: half of them are", texts)
        texts //= 2
    return {}


def _products(model: Model, rows: int) -> list[Product]:
    linear = (layer for layer in model.modules() if isinstance(layer, nn.Linear))
    return [(rows, K, N) for K, N in sorted({(layer.in_features, layer.out_features) for layer in linear})]


def _step_seconds(model: Model, train: TrainSpec, texts: int, length: int) -> dict[str, float]:
    """Least seconds of a training step on random tokens, in turns."""
    device = next(model.parameters()).device
    batch = random_batch(model, texts, length, device=device, seed=0)
    calls = {name: make_call(copy.deepcopy(model), batch, "training", name, train) for name in DTYPES}  # type: ignore[arg-type]
    return _in_turns(calls, device)


def _in_turns(calls: Mapping[str, Callable[[], Any]], device: torch.device) -> dict[str, float]:
    """Least seconds of each call."""
    rounds: list[dict[str, float]] = []
    with unrecorded():
        for call in calls.values():
            call()  # the first chooses kernels and touches memory
        end = now_s() + STEPS_S
        while len(rounds) < REPEATS or now_s() < end:
            rounds.append({name: seconds(call, device) for name, call in calls.items()})
    return {name: min(taken[name] for taken in rounds) for name in calls}


def rates_here(spec: RunSpec, model: Model, train: TrainSpec, ranks: int = 1) -> Rates:
    """``measure_rates`` for a run's longest batch, or the share of it of one of several processes, once on a machine:
    kept in the folder of caches, so that all runs of a grid decide alike, whatever else the machine does while they
    start."""
    of = {
        "batch": -(-train.batch_size // ranks), "model": spec.model.to_dict(), "optimiser": train.optimiser.to_dict(),
        "objective": train.objective.to_dict(),
    }  # fmt: skip
    return _once(model, of, lambda: measure_rates(model, train, spec.model.dims.seq_len, ranks))


def _once(model: Model, of: Mapping[str, Any], measure: Callable[[], Rates]) -> Rates:
    """What was measured on this machine, or is now; ``of``: what else it is a measurement of."""
    device = next(model.parameters()).device
    here = {
        "device": device_name(device), "capability": describe_machine()["cpu_capability"],
        "matmul": matmul_precision(device), "torch": torch.__version__, **of,
    }  # fmt: skip
    path = cache_dir() / "precision" / f"{digest(here)}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".lock").touch()
    except OSError as error:
        logger.warning("%s cannot be written (%s): which precision is faster is measured again each time; "
                       "SWARMFORMER_CACHE names another folder", path.parent, error.strerror)  # fmt: skip
        return measure()
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            rates = measure()
            write_bytes_atomically(path, json.dumps({**asdict(rates), "of": here}, indent=1, default=str).encode())
        return _kept(path)


def _kept(path: Path) -> Rates:
    kept = json.loads(path.read_text(encoding="utf-8"))
    return Rates(kept["products"], kept["step_s"])


def forward_precision(model: Model, asked: str, texts: int = 32) -> str:
    """``fp32`` or ``bf16`` for a model that is only asked: what is asked for, or for ``auto`` the faster here.

    Raises:
        SpecError: another word.
    """
    if asked not in ("auto", *DTYPES):
        raise SpecError(f"precision {asked!r}: use auto, {' or '.join(DTYPES)}")
    if asked != "auto":
        return asked
    of = {"forward": texts, "model": model.spec.to_dict()}
    rates = _once(model, of, lambda: _forward_rates(model, texts))
    logger.info("precision auto: %s (%s)", rates.faster, rates.words())
    return rates.faster


def _forward_rates(model: Model, texts: int) -> Rates:
    """As ``measure_rates``, with forward passes for steps."""
    device, length = next(model.parameters()).device, model.dims.seq_len
    products = product_rates(_products(model, texts * length), device)
    settled = Rates(products, {})
    if settled.gain < 1 / GAIN:
        return settled

    def measure(held: int) -> dict[str, float]:
        batch = random_batch(model, held, length, device=device, seed=0)
        calls = {name: make_call(model, batch, "forward", name, None) for name in DTYPES}  # type: ignore[arg-type]
        return _in_turns(calls, device)

    return Rates(products, _fitting(texts, measure, device))


def chosen_precision(spec: RunSpec, model: Model, train: TrainSpec, ranks: int = 1) -> str:
    """``fp32`` or ``bf16``: what is asked for, or for ``auto`` the faster here. A fixed bf16 that is slower is said.

    Raises:
        SpecError: bf16 on a device that has no products in it.
    """
    if train.precision == "fp32":
        return "fp32"
    rates = rates_here(spec, model, train, ranks)
    if train.precision == "auto":
        logger.info("precision auto: %s (%s)", rates.faster, rates.words())
        return rates.faster
    if not rates.products["bf16"]:
        raise SpecError("train.precision bf16: this device has no products in bf16; use fp32, or auto")
    if rates.gain < 1:
        logger.warning(
            "train.precision = bf16 is slower than fp32 here: %s; train.precision=auto takes the faster", rates.words()
        )
    return "bf16"
