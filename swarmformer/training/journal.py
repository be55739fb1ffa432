"""The curve of a run: one JSON line per logged step and per validation, appended as it happens."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swarmformer.errors import SpecError
from swarmformer.records import KINDS, write_bytes_atomically
from swarmformer.records.base import digest_of
from swarmformer.training.ranks import Ranks

StepRecord = dict[str, Tensor]
"""Scalars of one step by name, on the device: loss, norm, and what objective and model tell of themselves."""


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

    def mark(self) -> tuple[int, str]:
        """Length in bytes and SHA-256 of what was written so far, which is on the disk then."""
        if self.path is None or not self.path.exists():
            return 0, ""
        with self.path.open("rb") as stream:
            os.fsync(stream.fileno())
            content = stream.read()
        return len(content), digest_of(content)

    def rewind(self, step: int, epochs: int, mark: tuple[int, str] = (0, "")) -> None:
        """Keep what was there at the ``mark`` of a checkpoint, and of what came after it whole lines that belong to the
        first ``step`` steps and ``epochs`` validations.

        Raises:
            SpecError: what the checkpoint knows is not there any more as it was written.
        """
        length, digest = mark
        if self.path is None or not (length or self.path.exists()):
            return
        content = self.path.read_bytes() if self.path.exists() else b""
        if length and digest_of(content[:length]) != digest:
            raise SpecError(
                f"{self.path}: not what was written before the checkpoint; restore it, or move both away to start this "
                "run anew"
            )
        later = [line for line in content[length:].splitlines(keepends=True) if _written_by(line, step, epochs)]
        kept = content[:length] + b"".join(later)
        write_bytes_atomically(self.path, kept)
        for line in kept.splitlines():
            self._remember(json.loads(line))

    def _remember(self, line: dict[str, Any]) -> None:
        if line["kind"] in ("test", "test_reading"):
            self.tests.append(line)


def _written_by(line: bytes, step: int, epochs: int) -> bool:
    try:
        entry = json.loads(line)
        # A validation has the step of the checkpoint before it: only its epoch tells whether it is kept.
        return line.endswith(b"\n") and bool(entry["step"] <= step and entry.get("epoch", 0) <= epochs)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False


def gathered(records: Sequence[StepRecord], ranks: Ranks) -> dict[str, tuple[float, ...]]:
    """What steps told, fetched from the device at once: by name, over all processes, a value for each step."""
    names = [*(name for name in records[0] if name != "norm"), "norm"]
    rows = torch.stack([torch.stack([record[name].float() for name in names]) for record in records])
    rows[:, :-1] = ranks.add(rows[:, :-1].clone())  # each has its share of all but the norm
    values = rows.tolist()
    ranks.check()
    return dict(zip(names, zip(*values, strict=True), strict=True))


def in_a_row(columns: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Of several steps what a line of the curve says: means, where they are finite, and the largest norm."""
    means = {name: sum(values) / len(values) for name, values in columns.items()}
    finite = {name: mean for name, mean in means.items() if math.isfinite(mean)}
    return {**finite, "norm": max(columns["norm"])}
