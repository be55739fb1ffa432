"""Training computes a batch in parts (``training.step``) and adds up their gradients: those of the batch."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from swarmformer.contracts.component import Over
from swarmformer.seeding import seed_all
from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import (
    TENSOR_SLOTS,
    apply,
    dropouts_of,
    inputs,
    prefix_mask,
    real_rows,
    usual_length,
    without_dropout,
)
from swarmformer.testing.require import NotApplicableError, assert_close, require

Pass = tuple[Tensor, Tensor]
"""An input and its mask."""
APART = "the texts of a batch may be computed apart: use nothing of other texts, or say whole_batch = True"
RANDOM = "it draws random numbers in training beside its dropouts"
ADD_UP = (
    "give a mean over the texts that have a token, however far they are padded; or say whole_batch = True, and where "
    'it is one over tokens means_over = {"…": "tokens"} beside it'
)


@check(*TENSOR_SLOTS)
def a_text_trains_the_same_alone_and_in_a_batch(case: Case) -> None:
    """In training without dropout the other texts make no difference; or ``whole_batch`` says that it needs them."""
    component = _in_training(case)
    x, mask = _batch(case)
    whole = _out(case, component, x, mask)
    if not torch.equal(whole, _out(case, component, x, mask, seed=2)):
        raise NotApplicableError(RANDOM)
    for row, real in enumerate(mask.split(1)):
        outs = _out(case, component, x[row : row + 1], real), whole[row : row + 1]
        alone, within = (real_rows(case.slot, component, out, real) for out in outs)
        assert_close(f"in training text {row} alone and in a batch", alone, within, atol=1e-5, hint=APART)


@check("router", "model")
def losses_of_texts_add_up(case: Case) -> None:
    """In training without dropout losses and telemetry of a batch are the means that they are said to be."""
    component = _in_training(case)
    whole = _told(case, component, *_batch(case))
    if not whole:
        raise NotApplicableError("gives neither losses nor telemetry with these options")
    again = _told(case, component, *_batch(case), seed=2)
    if not all(torch.equal(value, whole[name]) for name, value in again.items()):
        raise NotApplicableError(RANDOM)
    texts = list(_texts(case))
    told = [_told(case, component, *text) for text in texts]
    for name, value in whole.items():
        require(all(name in one for one in told), f"{name} is not there for every text; {ADD_UP}")
        over = _over(case, component).get(name.rpartition("/")[2], "texts")
        weights = torch.tensor([float(real.sum()) if over == "tokens" else 1.0 for _, real in texts])
        mean = (torch.stack([one[name] for one in told]) * weights).sum() / weights.sum()
        words = f"{name} of a batch and its mean over {over}"
        assert_close(words, mean, value, atol=1e-7, rtol=1e-4, hint=ADD_UP)


def _in_training(case: Case) -> Any:
    """At the end of a schedule, where every loss counts.

    Raises:
        NotApplicableError: it is always given whole batches.
    """
    rates: dict[str, Any] = dict.fromkeys(dropouts_of(case), 0.0)
    component = case.build(**rates).train()
    if component.whole_batch and component.means_over is None:
        raise NotApplicableError("says whole_batch = True and no means_over: it is given whole batches")
    component.set_progress(1.0)
    return without_dropout(component)


def _lengths(case: Case) -> list[int]:
    N = usual_length(case)
    return [N, 1, max(1, N // 2), max(1, N - 1)]


def _batch(case: Case) -> Pass:
    lengths = _lengths(case)
    return inputs(case.slot, len(lengths), lengths[0]), prefix_mask(lengths, lengths[0])


def _texts(case: Case) -> Iterator[Pass]:
    """Each alone, and without pads where they make no difference, as a training step cuts them off."""
    x, mask = _batch(case)
    for row, length in enumerate(_lengths(case)):
        end = length if case.honours_mask else x.shape[1]
        yield x[row : row + 1, :end], mask[row : row + 1, :end]


def _out(case: Case, component: Any, x: Tensor, mask: Tensor, seed: int = 1) -> Tensor:
    """Of a twin, so that no pass knows of another."""
    twin = copy.deepcopy(component)
    seed_all(seed)
    with torch.no_grad():
        return apply(case.slot, twin, x.clone(), mask.clone())  # in-place writes are another check's


def _told(case: Case, component: Any, x: Tensor, mask: Tensor, seed: int = 1) -> dict[str, Tensor]:
    """Losses and telemetry, that of a model by layer."""
    twin = copy.deepcopy(component)
    seed_all(seed)
    with torch.no_grad():
        if case.slot == "router":
            assignment = twin(x.clone(), mask.clone(), DIMS.cluster_size)
            told = {**assignment.telemetry, **assignment.losses}
        else:
            output = twin.detailed(x.clone(), mask.clone())
            told = {**output.losses}
            for layer, values in enumerate(output.telemetry):
                told |= {f"{layer}/{name}": value for name, value in values.items()}
    return {name: value.float() for name, value in told.items()}


def _over(case: Case, component: Any) -> Mapping[str, Over]:
    """As a training step reads it: a model is made of what those of its parts say that need the whole batch."""
    return component.means_over or {} if component.whole_batch or case.slot == "model" else {}
