"""SwarmFormer-Base in evaluation: the published arithmetic against ours, at a fixed shape and over real texts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

import swarmformer
from swarmformer import hub
from swarmformer.contracts import Model
from swarmformer.data.batching import Batches, bucket_lengths
from swarmformer.data.encoded import EncodedData, Split
from swarmformer.modes import Precision, autocast
from swarmformer.ops.switch import use_fast
from swarmformer.settings import DATA_VARIABLE
from swarmformer.testing import assert_close
from swarmformer.training.evaluate import predict

from ..speed.figure import Arm, Group, Target
from ..speed.published import PublishedSwarmFormer

CPU = torch.device("cpu")
MISSING_DATA = f"set {DATA_VARIABLE} to the folder that holds IMDb"
LENGTH, BATCH = 768, 256
AGREEMENT = 1e-5
BF16 = 0.05
"""How far logits in bf16 may be from those in fp32, as a share of the greatest."""


def group(data: EncodedData | None, *, batch: int = BATCH, texts: int = BATCH, more: bool = False) -> Group:
    """The published code on ``batch`` × 768 tokens, ours on the same, and ours on real texts of any length.

    What the published code takes does not depend on what the tokens are, pads or not: one arm stands for both.

    Args:
        data: None leaves the real texts out.
        texts: so many of the test split, drawn at random.
        more: the plain twin and bf16 autocast beside.

    Raises:
        ViolationError: logits that do not agree.
    """
    fixed = _fixed_shape(batch, more)
    figure = Target(f"Base, eval, {batch} × {LENGTH} fixed, fp32", ("published",), "fast", 2.0, 3.0)
    if data is None:
        return Group(fixed, (figure,), {"real texts": MISSING_DATA})
    title = "Base, eval over real IMDb, {}, masked, by length"
    real = (
        Target(title.format("fp32"), ("published",), "fast, real texts", 4.0, 8.0),
        Target(title.format("bf16"), ("published",), "fast, bf16 weights, real texts", 6.0, 12.0),
    )
    return Group({**fixed, **_real_texts(data, texts)}, (figure, *real))


def _fixed_shape(batch: int, more: bool) -> dict[str, Arm]:
    published, ours = same_weights()
    ids_BN = torch.randint(30522, (batch, LENGTH), generator=torch.Generator().manual_seed(0))
    _check(published, ours, ids_BN[:4])
    rounded = hub.from_published(published.state_dict()).to(torch.bfloat16)
    flops = ours.flops(batch, LENGTH)
    beside = {
        "plain": Arm(_forward(ours, ids_BN, fast=False), batch, flops),
        "fast, bf16": Arm(_forward(ours, ids_BN, "bf16"), batch, flops, "bf16"),
    }
    return {
        "published": Arm(_forward(published, ids_BN), batch, flops),
        "fast": Arm(_forward(ours, ids_BN), batch, flops),
        "fast, bf16 weights": Arm(_forward(rounded, ids_BN), batch, flops, "bf16_weights"),
        **(beside if more else {}),
    }


def _real_texts(data: EncodedData, texts: int) -> dict[str, Arm]:
    torch.manual_seed(0)
    masked = swarmformer.build_model("masked_base").eval()
    rounded = copy.deepcopy(masked).to(torch.bfloat16)
    test = data.splits["test"]
    split = test.take(np.random.default_rng(0).permutation(len(test))[:texts])
    batches = _batches(data, split, bucket_lengths(LENGTH, 4))
    _check_predictions(masked, _batches(data, split.take(np.arange(16)), (LENGTH,)))
    flops = sum(masked.flops(1, int(length)) for length in split.lengths)

    def evaluate(model: Model) -> Callable[[], object]:
        return lambda: predict(model, batches, CPU, "fp32")

    return {
        "fast, real texts": Arm(evaluate(masked), texts, flops),
        "fast, bf16 weights, real texts": Arm(evaluate(rounded), texts, flops, "bf16_weights"),
    }


def same_weights() -> tuple[PublishedSwarmFormer, Model]:
    torch.manual_seed(0)
    published = PublishedSwarmFormer().eval()
    return published, hub.from_published(published.state_dict())


def _forward(
    model: torch.nn.Module, ids_BN: Tensor, precision: Precision = "fp32", fast: bool = True
) -> Callable[[], Tensor]:
    def call() -> Tensor:
        with torch.inference_mode(), autocast(CPU, precision), nullcontext() if fast else use_fast(False):
            return model(ids_BN)

    return call


@torch.inference_mode()
def _check(published: PublishedSwarmFormer, ours: Model, ids_BN: Tensor) -> None:
    expected = published(ids_BN)
    assert_close("logits", expected, ours(ids_BN), atol=AGREEMENT)
    with autocast(CPU, "bf16"):
        rounded = ours(ids_BN).float()
    assert_close("logits in bf16", expected, rounded, atol=BF16 * float(expected.abs().max()))


def _check_predictions(masked: Model, batches: Batches) -> None:
    with use_fast(False):
        expected = predict(masked, batches, CPU, "fp32")
    assert_close("masked logits", expected, predict(masked, batches, CPU, "fp32"), atol=AGREEMENT)


def _batches(data: EncodedData, split: Split, lengths: tuple[int, ...]) -> Batches:
    return Batches(split, batch_size=BATCH, lengths=lengths, pad_id=data.pad_id, seed=None)
