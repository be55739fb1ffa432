"""The curve of a run: one JSON line per logged step and per validation, appended as it happens."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmformer.errors import TrainingDivergedError

logger = logging.getLogger("swarmformer.training")


class Journal:
    """Appends to ``path`` (None: nowhere). Lines after a checkpoint's step are dropped on resume."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def append(self, kind: str, **values: Any) -> None:
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"kind": kind, **values}) + "\n")

    def rewind(self, step: int) -> None:
        """Drop what was written after ``step``, and a last line that a kill left half-written."""
        if self.path is None or not self.path.exists():
            return
        kept = [line for line in self.path.read_text(encoding="utf-8").splitlines() if _step(line) <= step]
        self.path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def _step(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except json.JSONDecodeError:
        return math.inf


def check_finite(first_step: int, losses: Sequence[float], norms: Sequence[float]) -> None:
    """Raise TrainingDivergedError at the first step whose loss or gradient norm is not finite."""
    for offset, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
        step = first_step + offset
        for name, value in (("loss", loss), ("gradient norm", norm)):
            if not math.isfinite(value):
                raise TrainingDivergedError(
                    step,
                    f"the {name} became {value} at step {step}; try a smaller train.lr, a longer train.warmup "
                    "or train.precision=fp32",
                )
