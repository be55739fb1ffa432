"""Tokens left out, or replaced by one that says nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field

from swarmformer.contracts import Augmentation, Dims, Probability
from swarmformer.errors import SpecError
from swarmformer.ops.transfer import sent
from swarmformer.registry import register

if TYPE_CHECKING:
    from swarmformer.data.batching import Batch


@register("augmentation", "word_dropout")
class WordDropout(Augmentation):
    """Each token is lost with a chance of its own (Iyyer et al. 2015, section 3.1); a text keeps at least one.

    Options:
        rate: the chance of a token, special ones included, to be lost; 0.3 in the paper.
        replace_by: id of the token that stands in its place, and no token moves: 100 is [UNK] and 103 [MASK] in BERT's
            vocabulary. −1: it is left out as in the paper, and what follows moves up.
    """

    test_options = ({"rate": 0.9}, {"rate": 1.0, "replace_by": 1})

    def __init__(self, dims: Dims, *, rate: Probability = 0.3, replace_by: Annotated[int, Field(ge=-1)] = -1) -> None:
        if replace_by >= dims.vocab_size:
            raise SpecError(
                f"replace_by = {replace_by}, but the vocabulary has {dims.vocab_size} tokens, the first of them 0",
                path=("train", "augmentation", "replace_by"),
            )
        self.rate, self.replace_by, self.keeps_places = rate, replace_by, replace_by >= 0
        self.stand_ins = (replace_by,) if self.keeps_places else ()

    def apply(self, batch: Batch, generator: torch.Generator) -> Batch:
        drawn_BN = sent(torch.rand(batch.ids_BN.shape, generator=generator), batch.ids_BN.device)
        drawn_BN = drawn_BN.masked_fill(~batch.mask_BN, -1.0)
        # The greatest draw of a text stays: where any token stays it does so anyway, and no text is emptied.
        kept_BN = batch.mask_BN & ((drawn_BN >= self.rate) | (drawn_BN == drawn_BN.amax(dim=1, keepdim=True)))
        if self.keeps_places:
            return replace(batch, ids_BN=torch.where(kept_BN, batch.ids_BN, self.replace_by))
        order_BN = (~kept_BN).long().argsort(dim=1, stable=True)
        return replace(batch, ids_BN=batch.ids_BN.gather(1, order_BN), mask_BN=kept_BN.gather(1, order_BN))
