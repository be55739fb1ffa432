"""Sizes that follow from closed forms: parameters, FLOPs by slot, clusters by layer, score matrices, BERT."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import psutil

from swarmformer.assembly import assemble_without_weights
from swarmformer.contracts import Model
from swarmformer.cost.parts import count_parameters
from swarmformer.records.properties import FlopsBySlot, Longest, ParametersOf, Pyramid, Scores
from swarmformer.variants import load_variant

from ..properties.behaviour import PUBLISHED

FP32_BYTES = 4
LONG = (1_000_000, 10_000_000)
BERT = {"vocabulary": 30_522, "width": 768, "layers": 12, "mlp": 3_072, "positions": 512, "segments": 2}
"""BERT-base, uncased (Devlin et al. 2019)."""


def flops_row(variant: str) -> FlopsBySlot:
    """Forward pass of one text at full length, multiply-adds × 2, by slot; the rest is pooling and classifier."""
    model = built(variant)
    length = model.dims.seq_len
    by_slot = model.flops_by_slot(1, length)
    return FlopsBySlot(variant=variant, length=length, total=model.flops(1, length), by_slot=by_slot)


def parameter_rows() -> list[ParametersOf]:
    """With and without the token table; a bag of embeddings at the width of Base has the table and a classifier."""
    named = {name: built(name) for name in (*PUBLISHED, "base", "base+tied_qkv")}
    wide = {"d_model": named["original_base"].dims.d_model}
    named["bag_of_embeddings, width of Base"] = built("bag_of_embeddings", wide)
    return [ParametersOf(variant=name, **count_parameters(model).model_dump()) for name, model in named.items()]


def bert_rows() -> list[ParametersOf]:
    """BERT without the layer that pools its first token, which the figure of 108 million leaves out."""
    D, rest = BERT["width"], 2 * BERT["width"]  # a norm's scale and shift
    table = BERT["vocabulary"] * D
    other_tables = (BERT["positions"] + BERT["segments"]) * D + rest
    attention = 4 * (D * D + D) + rest
    mlp = D * BERT["mlp"] + BERT["mlp"] + BERT["mlp"] * D + D + rest
    total = table + other_tables + BERT["layers"] * (attention + mlp)
    return [ParametersOf(variant="bert", total=total, without_embedding=total - table)]


def pyramid_row(variant: str, layers: int) -> Pyramid:
    """Clusters by layer at full length with the pyramid."""
    model = built(f"{variant}+pyramid", {"num_layers": layers})
    length = model.dims.seq_len
    sizes = [layer.cluster_size for layer in model.layers]  # type: ignore[union-attr, operator]
    clusters = tuple(math.ceil(length / size) for size in sizes)
    return Pyramid(variant=f"{variant}+pyramid", layers=layers, length=length, clusters=clusters)


def score_rows() -> list[Scores]:
    """Bytes of the scores of all clusters for all clusters, written out in fp32: one layer, one text, one head."""
    return [
        Scores(variant=variant, length=length, clusters=length // size, bytes=(length // size) ** 2 * FP32_BYTES)
        for variant, size in cluster_sizes().items()
        for length in LONG
    ]


def longest_rows() -> list[Longest]:
    """The longest text whose score matrix alone fits into this machine's memory: an upper bound of what runs."""
    memory = psutil.virtual_memory().total
    return [
        Longest(variant=variant, memory_bytes=memory, length=size * math.isqrt(memory // FP32_BYTES))
        for variant, size in cluster_sizes().items()
    ]


def cluster_sizes() -> dict[str, int]:
    return {variant: built(variant).dims.cluster_size for variant in PUBLISHED}


def built(variant: str, dims: dict[str, int] | None = None) -> Model:
    """Without weights."""
    return assemble_without_weights(load_variant(variant, [({"model": {"dims": dims or {}}}, "sizes")]).model_spec())


MEASUREMENTS: dict[str, Callable[[], list[Any]]] = {
    "flops": lambda: [flops_row(variant) for variant in PUBLISHED],
    "parameters": parameter_rows,
    "bert": bert_rows,
    "pyramids": lambda: [pyramid_row(variant, layers) for variant in PUBLISHED for layers in (2, 3)],
    "scores": score_rows,
    "longest": longest_rows,
}
"""Key of ``properties.json`` → its rows."""
