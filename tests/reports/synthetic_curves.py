"""Learning curves as training writes them, with routing telemetry by layer, for synthetic grids."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Line = Mapping[str, Any]


def train_line(step: int, loss: float, **telemetry: float) -> dict[str, Any]:
    """``layer0_dead_share`` stands for the key ``0/dead_share``, which is no Python name."""
    named = {f"{name[5]}/{name[7:]}": value for name, value in telemetry.items()}
    return {"kind": "train", "step": step, "loss": loss, **named, "norm": 1.0, "lr": 0.003}


def validation_line(step: int, epoch: int, accuracy: float) -> dict[str, Any]:
    measures = {"accuracy": accuracy, "precision": 0.5, "recall": 0.5, "f1": 0.5, "loss": 1.0, "n": 400}
    return {"kind": "validation", "step": step, "epoch": epoch, **measures}


def write_curve(cell: Path, lines: Sequence[Line]) -> None:
    (cell / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def plain_curve(shift: float, *, routed: bool = False) -> list[dict[str, Any]]:
    """Four lines of training and two validations; telemetry of two layers where ``routed``."""
    told = {
        f"layer{layer}_{name}": value + 0.1 * shift + 0.05 * layer
        for layer in (0, 1)
        for name, value in (("effective_clusters", 0.7), ("dead_share", 0.1), ("agreement", 0.4), ("temperature", 0.5))
    }
    lines = [train_line(step, 2.0 - 0.01 * step + shift, **(told if routed else {})) for step in (20, 40, 60, 80)]
    return [*lines[:2], validation_line(40, 1, 0.5 + shift), *lines[2:], validation_line(80, 2, 0.6 + shift)]
