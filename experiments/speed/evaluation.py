"""SwarmFormer-Base in evaluation: the published arithmetic against ours, at a fixed shape and over real texts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

import swarmformer
from experiments.speed.figure import Arm, Figure, Group
from experiments.speed.published import PublishedSwarmFormer
from swarmformer import hub
from swarmformer.cost.precision import Precision, computing_in
from swarmformer.data.batching import Batches, bucket_lengths
from swarmformer.data.encoded import EncodedData, Split
from swarmformer.fast import use_fast
from swarmformer.interfaces import Model
from swarmformer.testing import assert_close
from swarmformer.training.evaluate import predict

CPU = torch.device("cpu")
LENGTH, BATCH = 768, 256
AGREEMENT = 1e-5
BF16 = 0.05
"""How far logits in bf16 may be from those in fp32, as a share of the greatest."""


def fixed_shape(batch: int = BATCH) -> Group:
    """``batch`` texts of 768 tokens, all of them real.

    Raises:
        ViolationError: logits that do not agree.
    """
    published, ours = same_weights()
    ids_BN = torch.randint(30522, (batch, LENGTH), generator=torch.Generator().manual_seed(0))
    _check(published, ours, ids_BN[:4])
    rounded = hub.from_published(published.state_dict()).to(torch.bfloat16)
    flops = ours.flops(batch, LENGTH)
    return Group(
        {
            "published": Arm(_forward(published, ids_BN), batch, flops),
            "plain": Arm(_forward(ours, ids_BN, fast=False), batch, flops),
            "fast": Arm(_forward(ours, ids_BN), batch, flops),
            "fast, bf16": Arm(_forward(ours, ids_BN, "bf16"), batch, flops, "bf16"),
            "fast, bf16 weights": Arm(_forward(rounded, ids_BN), batch, flops, "bf16_weights"),
        },
        (Figure(f"Base, eval, {batch} × {LENGTH} fixed, fp32", ("published",), "fast", 2.0, 3.0),),
    )


def real_texts(data: EncodedData, texts: int) -> Group:
    """So many texts of a test split, drawn at random: padded to 768, or masked and by length.

    Raises:
        ViolationError: logits of the fast path that are not those of its plain twin.
    """
    torch.manual_seed(0)
    published = PublishedSwarmFormer().eval()
    masked = swarmformer.build_model("masked_base").eval()
    test = data.splits["test"]
    split = test.take(np.random.default_rng(0).permutation(len(test))[:texts])
    padded, by_length = (_batches(data, split, lengths) for lengths in ((LENGTH,), bucket_lengths(LENGTH, 4)))
    _check_predictions(masked, _batches(data, split.take(np.arange(16)), (LENGTH,)))
    flops = sum(masked.flops(1, int(length)) for length in split.lengths)

    rounded = swarmformer.build_model("masked_base").to(torch.bfloat16)

    def evaluate(model: Model, precision: str = "fp32") -> Callable[[], object]:
        return lambda: predict(model, by_length, CPU, precision)

    return Group(
        {
            "published": Arm(_padded(published, padded), texts, texts * masked.flops(1, LENGTH)),
            "fast": Arm(evaluate(masked), texts, flops),
            "fast, bf16": Arm(evaluate(masked, "bf16"), texts, flops, "bf16"),
            "fast, bf16 weights": Arm(evaluate(rounded), texts, flops, "bf16_weights"),
        },
        (
            Figure("Base, eval over real IMDb, fp32, masked, by length", ("published",), "fast", 4.0, 8.0),
            Figure("the same, weights in bf16", ("published",), "fast, bf16 weights", 6.0, 12.0),
        ),
    )


def same_weights() -> tuple[PublishedSwarmFormer, Model]:
    torch.manual_seed(0)
    published = PublishedSwarmFormer().eval()
    return published, hub.from_published(published.state_dict())


def _forward(
    model: torch.nn.Module, ids_BN: Tensor, precision: Precision = "fp32", fast: bool = True
) -> Callable[[], Tensor]:
    def call() -> Tensor:
        with torch.inference_mode(), computing_in(CPU, precision), nullcontext() if fast else use_fast(False):
            return model(ids_BN)

    return call


@torch.inference_mode()
def _check(published: PublishedSwarmFormer, ours: Model, ids_BN: Tensor) -> None:
    expected = published(ids_BN)
    assert_close("logits", expected, ours(ids_BN), atol=AGREEMENT)
    with computing_in(CPU, "bf16"):
        rounded = ours(ids_BN).float()
    assert_close("logits in bf16", expected, rounded, atol=BF16 * float(expected.abs().max()))


def _check_predictions(masked: Model, batches: Batches) -> None:
    with use_fast(False):
        expected = predict(masked, batches, CPU, "fp32")
    assert_close("masked logits", expected, predict(masked, batches, CPU, "fp32"), atol=AGREEMENT)


def _padded(published: PublishedSwarmFormer, batches: Batches) -> Callable[[], list[Tensor]]:
    @torch.inference_mode()
    def call() -> list[Tensor]:
        return [published(batch.ids_BN) for batch in batches()]

    return call


def _batches(data: EncodedData, split: Split, lengths: tuple[int, ...]) -> Batches:
    return Batches(split, batch_size=BATCH, lengths=lengths, pad_id=data.pad_id, seed=None)
