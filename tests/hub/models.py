"""A small complete model, made without training."""

from __future__ import annotations

import torch

import swarmformer
from swarmformer.data.cut import Cut
from swarmformer.data.tokenizer import load_tokenizer
from swarmformer.hub import CompleteModel, TextReader
from tests.data.toy_tasks import WORDS

DIMS = {
    "vocab_size": len(WORDS), "d_model": 16, "num_layers": 2, "cluster_size": 4, "seq_len": 32, "num_classes": 3,
}  # fmt: skip
CLASSES = ("bad", "so so", "good")


def complete_model(
    variant: str = "base", cut: Cut | None = None, lengths: tuple[int, ...] = (8, 16, 32), **dims: int
) -> CompleteModel:
    """A model with random weights, far enough apart that answers differ."""
    torch.manual_seed(0)
    model = swarmformer.build_model(variant, dims={**DIMS, **dims}).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) / 4)
    reader = TextReader("bert", load_tokenizer("bert"), cut or Cut(DIMS["seq_len"]), lengths, 0)
    return CompleteModel(model, CLASSES, reader, {"name": "toy"}, None, "# A card\n")
