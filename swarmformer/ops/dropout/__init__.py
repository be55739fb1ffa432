"""Dropout; ``F.dropout`` is the plain twin."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.ops.dropout import cpu
from swarmformer.ops.stacked import by_each, in_stack
from swarmformer.ops.switch import applies


class Dropout(nn.Dropout):
    """``nn.Dropout`` (Srivastava et al. 2014), fast on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training)

    @property
    def acts(self) -> bool:
        """Whether anything is dropped now: every element then has a fate of its own."""
        return self.training and self.p > 0.0


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """x / (1 − p) where kept, else 0, of any shape; x itself where nothing is dropped.

    Masks follow from torch's global generator, so that a seed and a restored generator give them again; on a CPU
    they are not those that ``F.dropout`` would draw.
    """
    if training and p > 0.0 and x.is_floating_point():
        if in_stack() and x.device.type == "cpu":
            return by_each(dropout, x, p)  # with the masks that each has alone
        if applies(x):
            return cpu.dropout(x, p)
    return F.dropout(x, p, training)
