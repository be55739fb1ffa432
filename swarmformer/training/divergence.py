"""What ends a run whose numbers are not finite any more."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from swarmformer.contracts import Component
from swarmformer.errors import TrainingDivergedError


def check_steps(first_step: int, losses: Sequence[float], norms: Sequence[float], model: nn.Module) -> None:
    """Raise TrainingDivergedError at the first step whose loss or gradient norm is not finite.

    At the very first no weight has changed yet, so that a component of the model may be the cause.
    """
    for offset, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
        step = first_step + offset
        for name, value in (("loss", loss), ("gradient norm", norm)):
            if not math.isfinite(value):
                suspects = _own_components(model) if step == 1 else ()
                raise _diverged(step, f"the {name} became {value} at step {step}", suspects)


def check_after(step: int, finite: bool, otherwise: str) -> None:
    """Raise TrainingDivergedError unless what was found after a step is ``finite``; ``otherwise``: what is not."""
    if not finite:
        raise _diverged(step, f"after step {step} {otherwise}")


def _own_components(model: nn.Module) -> tuple[str, ...]:
    """``mine:NoMask`` for each class of a component that is not built in."""
    classes = {type(part): None for part in model.modules() if isinstance(part, Component)}
    own = [cls for cls in classes if not cls.__module__.startswith("swarmformer.")]
    return tuple(f"{cls.__module__}:{cls.__qualname__}" for cls in own)


def _diverged(step: int, what: str, suspects: Sequence[str] = ()) -> TrainingDivergedError:
    """The error, with what to try next; ``suspects``: components that may give what is not finite."""
    own = f"; or a component gives NaN: swarmformer check {' '.join(suspects)}" if suspects else ""
    return TrainingDivergedError(
        step, f"{what}; try a smaller train.lr, a longer train.warmup or train.precision=fp32{own}"
    )
