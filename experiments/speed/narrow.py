"""Training at small width: a whole step against its matrix products alone, which nothing elementwise can beat."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch

import swarmformer
from swarmformer.cost.passes import make_call, random_batch
from swarmformer.ops.pieces import TRAINING_TOKENS
from swarmformer.ops.switch import use_fast
from swarmformer.spec import TrainSpec
from swarmformer.variants import load_variant

from ..speed.figure import Arm, Group, Target

CPU = torch.device("cpu")
LENGTH, BATCH = 256, 64
VARIANTS = ("base", "base+windowed")
COLD_BYTES = 64 * 2**20
"""Operands go round in so many bytes, as a step's do: what it keeps for its backward pass does not fit the cache."""


def group(widths: tuple[int, ...], batch: int = BATCH) -> Group:
    """One fp32 step of ``batch`` × 256 tokens, dropout and optimiser included, for each variant and width.

    ``products``: the step's FLOPs as bare products, forward, by the input and by the weight in turn. ``plain``: the
    step without fast paths. A step that takes r times its products can be made r times faster and no more, whatever
    is fused.
    """
    arms: dict[str, Arm] = {}
    figures: list[Target] = []
    for variant, width in itertools.product(VARIANTS, widths):
        found = _arms(variant, width, batch)
        names = {name: f"{variant}, width {width}, {name}" for name in found}
        arms |= {names[name]: arm for name, arm in found.items()}
        title = f"{variant}, training step {batch} × {LENGTH}, width {width}, fp32"
        figures += [
            Target(f"{title}: step over bare products", (names["products"],), names["fast"], 2.5, 1.5, growth=True),
            Target(f"{title}: fast paths", (names["plain"],), names["fast"], 1.0, 1.5),
        ]
    return Group(arms, tuple(figures))


def _arms(variant: str, width: int, batch: int) -> dict[str, Arm]:
    (fast, flops), (slow, _) = (training_step(variant, width, batch) for _ in range(2))

    def plain() -> None:
        with use_fast(False):
            slow()

    calls = {"fast": fast, "plain": plain, "products": _products(width, flops)}
    return {name: Arm(call, batch, flops) for name, call in calls.items()}


def training_step(variant: str, width: int, batch: int) -> tuple[Callable[[], object], int]:
    """A call that takes one step in fp32 on ``batch`` random texts, and its FLOPs."""
    train = TrainSpec.from_dict(load_variant(variant).tree.values["train"])
    model = swarmformer.build_model(variant, dims={"d_model": width, "seq_len": LENGTH})
    random = random_batch(model, batch, LENGTH, device=CPU, seed=0)
    return make_call(model, random, "training", "fp32", train), model.training_flops(batch, LENGTH)


def _products(width: int, flops: int) -> Callable[[], None]:
    """So many operations in products of a piece of tokens with square weights."""
    pieces = [torch.randn(TRAINING_TOKENS, width) for _ in range(COLD_BYTES // (4 * TRAINING_TOKENS * width))]
    weight, bias, out = torch.randn(width, width), torch.randn(width), torch.empty(TRAINING_TOKENS, width)
    gradient = torch.empty(width, width)
    rounds = max(1, round(flops / (3 * 2 * TRAINING_TOKENS * width * width)))

    def call() -> None:
        for _, piece in zip(range(rounds), itertools.cycle(pieces)):
            torch.addmm(bias, piece, weight.t(), out=out)
            torch.mm(piece, weight, out=out)
            torch.mm(out.t(), piece, out=gradient)

    return call
