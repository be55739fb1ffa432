"""Masked-token prediction: what a text lacks, told from the rest of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.contracts import Dims, Forward, Loss, Model, Objective, Probability
from swarmformer.contracts.model import token_tables
from swarmformer.errors import SpecError
from swarmformer.registry import register

if TYPE_CHECKING:
    from swarmformer.data.batching import Batch
    from swarmformer.data.encoded import TrainingTexts

MIX = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
"""Odd multipliers of xxHash (Collet 2012), which spread neighbouring numbers."""


@register("objective", "masked_tokens")
class MaskedTokens(Objective):
    """Cross-entropy of hidden tokens, told from the states that surround them (Devlin et al. 2019, section 3.1).

    Of every text ``share`` of the tokens are chosen, at least one. In training a chosen one is hidden by the mask, or
    stands as another drawn evenly from the vocabulary, or as it is; in evaluation it is hidden, and the choice follows
    from the text. Special tokens are never chosen, nor what word dropout writes in the place of others. The head
    (linear, GELU, layer norm, the token vectors of the model or a table of its own, a bias) starts from the frequencies
    of the training texts. The loss is a mean over the chosen of a text, then over texts.

    Options:
        share: how many of a text's tokens are to be predicted.
        random: share of the chosen that stand as another token.
        unchanged: share of the chosen that stand as they are.
        tied: the head's last table is that of the model's token vectors (Press & Wolf 2017).
        candidates: how many tokens a prediction chooses from, 0: all of them. The more frequent half of them is
            always the same, the other half drawn anew in every step from the rest, for which it stands (importance
            sampling of the softmax's denominator, Bengio & Senécal 2008). In evaluation it is the whole vocabulary.
    """

    by_frequency_V: Tensor
    text_V: Tensor
    mask_id: Tensor
    in_pieces = True
    mean_over = "rows"
    reads = "states"
    needs_labels = False
    VERSION = 2  # 1 asked for what word dropout had written in the place of tokens
    reads_values = True
    test_options = ({"candidates": 8}, {"tied": False, "share": 0.5}, {"random": 0.0, "unchanged": 0.0})

    def __init__(
        self,
        dims: Dims,
        *,
        share: Annotated[float, Field(gt=0, le=1)] = 0.15,
        random: Probability = 0.1,
        unchanged: Probability = 0.1,
        tied: bool = True,
        candidates: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        if random + unchanged > 1:
            raise SpecError(f"random {random} and unchanged {unchanged} are more than all of the chosen")
        if candidates >= dims.vocab_size:
            raise SpecError(f"candidates {candidates}: the vocabulary has {dims.vocab_size} tokens; leave it out")
        D, V = dims.d_model, dims.vocab_size
        self.share, self.random, self.unchanged, self.candidates = share, random, unchanged, candidates
        self.transform = nn.Sequential(nn.Linear(D, D), nn.GELU(), nn.LayerNorm(D))
        self.table = None if tied else nn.Embedding(V, D)
        self.bias_V = nn.Parameter(torch.zeros(V))
        self.register_buffer("by_frequency_V", torch.arange(V))
        self.register_buffer("text_V", torch.ones(V, dtype=torch.bool).index_fill_(0, torch.tensor([0]), False))
        self.register_buffer("mask_id", torch.zeros((), dtype=torch.int64))

    def fit(self, texts: TrainingTexts) -> None:
        counts_V = torch.from_numpy(np.bincount(texts.split.ids, minlength=len(self.bias_V)))
        self.text_V.fill_(True)
        self.text_V[list(texts.special)] = False
        self.mask_id.fill_(texts.mask_id)
        self.by_frequency_V.copy_(counts_V.argsort(descending=True, stable=True))
        smoothed_V = (counts_V * self.text_V + 1).float()
        with torch.no_grad():
            self.bias_V.copy_((smoothed_V / smoothed_V.sum()).log())

    def check_model(self, model: Model) -> None:
        if not model.gives_states or model.causal:
            raise SpecError(
                "needs a state of every token that knows the tokens on both sides of it, and this model gives none: "
                "leave the stage out, or choose another model"
            )
        self._table(model)

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        chosen_BN = self._chosen(batch)
        states_BND = forward(replace(batch, ids_BN=self._hidden(batch, chosen_BN))).states_BND
        assert states_BND is not None, "the model gives_states"
        h_MD = self.transform(states_BND.float()[chosen_BN])
        truth_M = batch.ids_BN[chosen_BN]
        loss_M = self._losses(h_MD, truth_M, self._table(forward.model))
        per_text_B = chosen_BN.sum(dim=1)
        weight_M = (1 / per_text_B.clamp(min=1)).repeat_interleave(per_text_B) / len(per_text_B)
        return Loss((loss_M * weight_M).sum())

    def _chosen(self, batch: Batch) -> Tensor:
        """The tokens that are told, bool [B, N]: those with the least numbers, of the text's own in evaluation."""
        ids_BN, text_BN = batch.ids_BN, batch.mask_BN & self.text_V[batch.ids_BN]
        number_BN = torch.rand(ids_BN.shape, device=ids_BN.device) if self.training else _hashed(ids_BN)
        rank_BN = number_BN.masked_fill(~text_BN, torch.inf).argsort(dim=1, stable=True).argsort(dim=1, stable=True)
        count_B = text_BN.sum(dim=1)
        wanted_B = (count_B * self.share).round().clamp(min=1).minimum(count_B)
        return rank_BN < wanted_B.unsqueeze(1)

    def _hidden(self, batch: Batch, chosen_BN: Tensor) -> Tensor:
        """The ids that the model is given."""
        masked_BN = batch.ids_BN.masked_fill(chosen_BN, self.mask_id)
        if not self.training or self.random + self.unchanged == 0:
            return masked_BN
        fate_BN = torch.rand(masked_BN.shape, device=masked_BN.device)
        other_BN = torch.randint_like(masked_BN, len(self.bias_V))
        seen_BN = torch.where(fate_BN < self.random, other_BN, masked_BN)
        kept_BN = chosen_BN & (fate_BN >= 1 - self.unchanged)
        return torch.where(kept_BN | ~chosen_BN, batch.ids_BN, seen_BN)

    def _table(self, model: Model) -> Tensor:
        if self.table is not None:
            return self.table.weight
        width = self.transform[0].in_features
        tables = [table for table in token_tables(model) if table.shape[1] == width]
        if not tables:
            raise SpecError(f"finds no token vectors of width {width} in the model to tie its head to: set tied: false")
        return tables[0]

    def _losses(self, h_MD: Tensor, truth_M: Tensor, table_VD: Tensor) -> Tensor:
        """Negative log-likelihood of every true token."""
        if not self.candidates or not self.training:
            parts = zip(h_MD.split(ROWS), truth_M.split(ROWS), strict=True)
            return torch.cat(
                [F.cross_entropy(F.linear(h, table_VD, self.bias_V), truth, reduction="none") for h, truth in parts]
            )
        rows_S, weight_S = self._drawn()
        score_MS = F.linear(h_MD, table_VD[rows_S], self.bias_V[rows_S] + weight_S.log())
        true_M = (h_MD * table_VD[truth_M]).sum(dim=1) + self.bias_V[truth_M]
        score_MS = score_MS.masked_fill(rows_S == truth_M.unsqueeze(1), -torch.inf)
        return torch.cat([true_M.unsqueeze(1), score_MS], dim=1).logsumexp(dim=1) - true_M

    def _drawn(self) -> tuple[Tensor, Tensor]:
        """Tokens to tell the true one from, and how many each of them stands for."""
        always = self.candidates // 2
        first, rest = self.by_frequency_V[:always], self.by_frequency_V[always:]
        drawn = rest[torch.randperm(len(rest), device=rest.device)[: self.candidates - always]]
        weight_S = torch.ones(self.candidates, device=rest.device)
        weight_S[always:] = len(rest) / len(drawn)
        return torch.cat([first, drawn]), weight_S


ROWS = 1024
"""Tokens that are told at once: their logits over a vocabulary of 30,000 take 120 MB."""


def _hashed(ids_BN: Tensor) -> Tensor:
    """Numbers that look random and follow from a token and its place alone, fp32."""
    place_N = torch.arange(ids_BN.shape[1], device=ids_BN.device)
    mixed_BN = (ids_BN * MIX[0] + place_N * MIX[1] + 1) & 0xFFFFFFFF
    mixed_BN = ((mixed_BN ^ (mixed_BN >> 15)) * MIX[2]) & 0xFFFFFFFF
    return (mixed_BN ^ (mixed_BN >> 13)).float()
