"""A replayed step against the step that it stands for: the same, rounded otherwise, or another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from swarmformer.errors import CaptureError
from swarmformer.training.recorder import is_close

CLEARLY = 10
"""Times as far as the step is from itself, computed as usual twice, that a replay must be from it to be wrong; and
tolerances that it may be from itself by rounding, beyond which it draws what is not torch's, and a graph does not."""


@dataclass(frozen=True)
class ComputedStep:
    """What a step gives: its loss, and the gradients of all parameters."""

    loss: Tensor
    gradients: list[Tensor | None]

    def sizes(self) -> Tensor:
        """Of the loss, and the norm of the gradient; [2]."""
        return self._norms([gradient for gradient in self.gradients if gradient is not None], self.loss)

    def apart(self, other: ComputedStep) -> Tensor:
        """By what both differ; [2]."""
        pairs = zip(self.gradients, other.gradients, strict=True)
        return self._norms([a - b for a, b in pairs if a is not None and b is not None], self.loss - other.loss)

    def stands_for(self, other: ComputedStep) -> bool:
        """Whether both are the same up to rounding, or diverged both. Waits for the device.

        Raises:
            CaptureError: other parameters have a gradient.
        """
        if [gradient is None for gradient in self.gradients] != [gradient is None for gradient in other.gradients]:
            raise CaptureError("other parameters have a gradient when replayed")
        apart, sizes = self.apart(other), other.sizes()
        diverged = not bool(sizes[1].isfinite()) and not bool(torch.stack([self.loss, apart[1]]).isfinite().all())
        return diverged or bool(is_close(apart, sizes).all())

    @staticmethod
    def _norms(gradients: list[Tensor], loss: Tensor) -> Tensor:
        norms = torch.stack([gradient.float().norm() for gradient in gradients])
        return torch.stack([loss.float().abs(), norms.norm()])


def is_rounding(replayed: ComputedStep, usual: ComputedStep, again: ComputedStep) -> bool:
    """Whether a replay differs from the step ``usual`` no more than that, computed ``again``, may from itself: the sums
    of a GPU may be rounded in another order each time. Waits for the device."""
    spread = again.apart(usual)
    as_rounded = is_close(spread / CLEARLY, usual.sizes())
    return bool((as_rounded & (replayed.apart(usual) <= CLEARLY * spread)).all())


def difference(replayed: ComputedStep, usual: ComputedStep) -> str:
    """By what a replay differs, in words."""
    (_, apart), (_, norm) = replayed.apart(usual).tolist(), usual.sizes().tolist()
    return (
        f"a replay differs from the step that it stands for: loss {float(replayed.loss):.6g} instead of "
        f"{float(usual.loss):.6g}, gradient apart by {apart:.3g} of norm {norm:.3g}"
    )
