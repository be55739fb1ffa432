"""A weighted mean over parts that come one after another, and are not kept."""

from __future__ import annotations

import torch
from torch import Tensor


class RunningMean:
    """The mean of all rows, from means of parts of them; what a part weighs is told by its logarithm.

    In float64: thousands of parts must not add up their rounding. Parts that all weigh nothing give the first one.
    """

    def __init__(self) -> None:
        self._mean: Tensor | None = None
        self._log: Tensor | None = None

    def add(self, mean: Tensor, log_weight: Tensor) -> None:
        """A part's mean [..., X] and the logarithm of its weight [...]; −∞ for no weight."""
        mean, log_weight = mean.double(), log_weight.double()
        if self._mean is None or self._log is None:
            self._mean, self._log = mean, log_weight
            return
        self._log = torch.logaddexp(self._log, log_weight)
        share = (log_weight - self._log).exp().nan_to_num(0.0)  # of nothing to nothing
        self._mean = torch.lerp(self._mean, mean, share.unsqueeze(-1))

    def mean(self, dtype: torch.dtype) -> Tensor:
        """[..., X]; raises ValueError where nothing was added."""
        if self._mean is None:
            raise ValueError("there is no mean of no parts")
        return self._mean.to(dtype)
