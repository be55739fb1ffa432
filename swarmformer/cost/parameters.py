"""How many parameters a model has, with and without its token table."""

from __future__ import annotations

from typing import TypedDict

from torch import nn

from swarmformer.interfaces import Model


class ParameterCount(TypedDict):
    total: int
    without_embedding: int


def count_parameters(model: Model) -> ParameterCount:
    """Count parameters; a shared tensor counts once. Works on a model built without weights.

    ``without_embedding`` leaves out the token tables: ``nn.Embedding`` with one row per entry of the
    vocabulary. Tables of positions stay in. A token table that is also the output layer is left out.
    """
    tables = {id(module.weight) for module in model.modules() if _is_token_table(module, model.dims.vocab_size)}
    sizes = {id(parameter): parameter.numel() for parameter in model.parameters()}
    total = sum(sizes.values())
    return {"total": total, "without_embedding": total - sum(sizes[table] for table in tables)}


def _is_token_table(module: nn.Module, vocab_size: int) -> bool:
    return isinstance(module, nn.Embedding) and module.num_embeddings == vocab_size
