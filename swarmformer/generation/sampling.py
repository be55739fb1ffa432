"""Which token comes next: the rules of transformers' ``generate``, in its order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from swarmformer.errors import SpecError

SMALLEST, LARGEST = 1e-6, 1e6
"""Of what logits are divided by: fp32 has room for them then, also after both rules."""


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn from logits: the rules below in this order, each by what it leaves.

    Args:
        repetition_penalty: logits of tokens that are there already are divided by it, negative ones multiplied (Keskar
            et al. 2019, CTRL; the published Lumenspark divides those too, which makes unlikely words likelier); 1 off.
            From 1e-6 to 1e6.
        temperature: logits are divided by it, from 1e-6 to 1e6; 0 takes the likeliest token, the first of several.
        top_k: only so many of the likeliest are left, and those as likely as the last of them; 0 for all.
        top_p: only the likeliest are left that together have this probability, the one that reaches it included
            (Holtzman et al. 2020, nucleus sampling); 1 for all.

    Raises:
        SpecError: a value out of range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        ranges = {
            "temperature must be 0 (the likeliest token) or from 1e-6 to 1e6": self.temperature == 0
            or SMALLEST <= self.temperature <= LARGEST,
            "top_k must be 0 (all tokens) or more": self.top_k >= 0,
            "top_p must lie above 0 and be at most 1 (all tokens)": 0 < self.top_p <= 1,
            "repetition_penalty must be from 1e-6 to 1e6 (1 for none)": SMALLEST <= self.repetition_penalty <= LARGEST,
        }
        faults = [words for words, kept in ranges.items() if not kept]
        if faults:
            raise SpecError(f"{'; '.join(faults)}: {self}")

    def choose(self, logits_V: Tensor, seen: Tensor, generator: torch.Generator) -> int:
        """The next token, with the random numbers of ``generator``; ``seen``: the ids so far."""
        logits_V = penalised(logits_V, seen, self.repetition_penalty)
        if self.temperature == 0:
            return int(logits_V.argmax())
        logits_V = top_p(top_k(logits_V / self.temperature, self.top_k), self.top_p)
        return int(torch.multinomial(logits_V.softmax(dim=-1), 1, generator=generator))


def penalised(logits_V: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Logits with those of the ids in ``seen`` made less likely."""
    if penalty == 1:
        return logits_V
    seen = seen.unique()
    old = logits_V[seen]
    return logits_V.index_copy(0, seen, torch.where(old < 0, old * penalty, old / penalty))


def top_k(logits_V: Tensor, k: int) -> Tensor:
    """−∞ in place of logits that are smaller than the k-th largest."""
    if not 0 < k < len(logits_V):
        return logits_V
    return logits_V.masked_fill(logits_V < logits_V.topk(k).values[-1], -torch.inf)


def top_p(logits_V: Tensor, p: float) -> Tensor:
    """−∞ in place of the least likely, as many as have at most 1 − p of the probability; one is always left."""
    if p == 1:
        return logits_V
    rising_V, place_V = logits_V.sort()
    left_out_V = rising_V.softmax(dim=-1).cumsum(dim=-1) <= 1 - p
    left_out_V[-1] = False
    return logits_V.index_fill(0, place_V[left_out_V], -torch.inf)
