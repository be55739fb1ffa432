"""How many parameters a model has, with and without its token table."""

from __future__ import annotations

from typing import TypedDict

from torch import Tensor, nn

from swarmformer.contracts import Model


class ParameterCount(TypedDict):
    total: int
    without_embedding: int


def count_parameters(model: Model) -> ParameterCount:
    """Count parameters; a shared tensor counts once. Works on a model built without weights.

    ``without_embedding`` leaves out the token tables: ``nn.Embedding`` with one row per entry of the
    vocabulary. Tables of positions stay in. A token table that is also the output layer is left out.
    """
    total = sum(parameter.numel() for parameter in model.parameters())
    return {"total": total, "without_embedding": total - sum(table.numel() for table in token_tables(model))}


def token_tables(model: Model) -> list[Tensor]:
    """The weights of ``nn.Embedding`` with one row per entry of the vocabulary, each once."""
    tables = [
        module.weight
        for module in model.modules()
        if isinstance(module, nn.Embedding) and module.num_embeddings == model.dims.vocab_size
    ]
    return list({id(table): table for table in tables}.values())
