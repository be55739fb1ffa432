"""The curve of a run: one JSON line per logged step and per validation, appended as it happens."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmformer.errors import TrainingDivergedError
from swarmformer.records import KINDS, write_bytes_atomically


class Journal:
    """Appends to ``path`` (None: nowhere). What a stopped run wrote after its checkpoint is dropped on resume."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.tests: list[dict[str, Any]] = []
        """Those of the test split, whoever wrote them: this process, or one before it."""

    def append(self, kind: str, **values: Any) -> None:
        """Add a line of a kind that ``swarmformer.records.curve`` knows.

        Raises:
            ValidationError: values that do not belong to this kind, or that are not finite.
        """
        self._remember({"kind": kind, **values})
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(KINDS[kind](kind=kind, **values).to_line())

    def rewind(self, step: int, epochs: int) -> None:
        """Keep what belongs to the first ``step`` steps and ``epochs`` validations; drop half-written lines."""
        if self.path is None or not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _written_by(line, step, epochs)]
        write_bytes_atomically(self.path, "".join(line + "\n" for line in kept).encode())
        for line in kept:
            self._remember(json.loads(line))

    def _remember(self, line: dict[str, Any]) -> None:
        if line["kind"] in ("test", "test_reading"):
            self.tests.append(line)


def _written_by(line: str, step: int, epochs: int) -> bool:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return False
    # A validation has the step of the checkpoint before it: only its epoch tells whether it is kept.
    return entry["step"] <= step and entry.get("epoch", 0) <= epochs


def check_finite(first_step: int, losses: Sequence[float], norms: Sequence[float]) -> None:
    """Raise TrainingDivergedError at the first step whose loss or gradient norm is not finite."""
    for offset, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
        step = first_step + offset
        for name, value in (("loss", loss), ("gradient norm", norm)):
            if not math.isfinite(value):
                raise diverged(step, f"the {name} became {value} at step {step}")


def diverged(step: int, what: str) -> TrainingDivergedError:
    """The error, with what to try next."""
    return TrainingDivergedError(step, f"{what}; try a smaller train.lr, a longer train.warmup or train.precision=fp32")
