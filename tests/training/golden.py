"""What runs gave before training was taken apart into ingredients: ``python -m tests.training.golden`` writes it anew.

Write it anew only with code whose results are known to be right: it is what later code is held to.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from swarmformer.training import loop
from swarmformer.training.loop import Trainer
from tests.training.toys import token_data, toy_data, toy_run

FILE = Path(__file__).with_suffix(".json")
ALL_EIGHT = "base+windowed+multi_head+routing+gated_mlp+layer_norm+tied_qkv+pyramid+gumbel"
CASES: dict[str, dict[str, Any]] = {
    "base": {},
    "base, clipped, smoothed, averaged": {"label_smoothing": 0.1, "ema_decay": 0.9, "clip_norm": 0.05, "min_lr": 0.1},
    "base, bf16": {"precision": "bf16", "weight_decay": 0.3},
    "original_small": {"schedule": "constant", "warmup": 0.5, "lr": 0.01},
    "base+windowed+layer_norm": {"max_steps": 7, "beta1": 0.8, "beta2": 0.95},
    ALL_EIGHT: {"label_smoothing": 0.05, "ema_decay": 0.5},
    "bag_of_embeddings": {"lr": 0.02},
    "base, at tokens": {"model": {"pooling": "tokens"}},
}


def run(name: str) -> dict[str, Any]:
    """The curve, step by step and with validations, and the test logits of a case."""
    variant, _, at = name.partition(", ")
    data = token_data() if at == "at tokens" else toy_data()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(toy_run(variant, **CASES[name]), data, torch.device("cpu"), Path(folder))
        result = trainer.run()
        lines = (Path(folder) / "curve.jsonl").read_text().splitlines()
    return {"curve": [json.loads(line) for line in lines], "logits": result.test_logits_NK.tolist()}


if __name__ == "__main__":
    loop.LOG_STEPS = 1
    FILE.write_text(json.dumps({name: run(name) for name in CASES}) + "\n")
