"""The published Lumenspark (Therrien 2024, PyPI 0.1.4), which names its parameters and sizes differently.

Its config.json is that of transformers; sizes that it does not give have the package's defaults, where the weights do
not tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swarmformer.errors import SpecError
from swarmformer.hub.weights import Shapes
from swarmformer.spec import ModelSpec
from swarmformer.variants import load_variant

VARIANT = "lumenspark_published"
MARK = "token_embedding.weight"
"""A parameter that no other published model has."""
NAMES = {
    MARK: "embedding.embed.weight",
    "position_embedding.weight": "embedding.position_ND",
    "fc_out.weight": "classifier.weight",
    "fc_out.bias": "classifier.bias",
}
NEEDED = ("embedding.embed.weight", "embedding.position_ND", "classifier.weight", "layers.0.attn.key_proj",
          "layers.0.attn.key_transform.weight", "layers.0.ffn.0.U.weight")  # fmt: skip
"""Matrices whose shapes tell the sizes, by our names."""
USUAL_HEADS = 4
OF_WEIGHTS = {"vocab_size": "vocab_size", "embed_dim": "d_model", "depth": "num_layers", "seq_length": "seq_len"}
"""Its name of a size that the weights tell → ours; config.json must agree."""


def is_published(shapes: Shapes) -> bool:
    """Whether weights of these names are the package's."""
    return MARK in shapes


def our_name(name: str) -> str:
    """Our name of a parameter; most are alike, and what is unknown is refused where the weights are held against the
    model."""
    return NAMES.get(name, name)


def spec_of(shapes: Shapes, variant: str | None, config: Mapping[str, Any] | None, where: str | Path) -> ModelSpec:
    """The specification of weights that have our names: a language model, with the package's leak.

    Raises:
        SpecError: weights that are missing, or a config that contradicts them.
    """
    if variant not in (None, VARIANT):
        raise SpecError(f"{where}: weights of the lumenspark package; leave out variant={variant!r}")
    missing = [name for name in NEEDED if len(shapes.get(name, ())) != 2]
    if missing:
        raise SpecError(f"{where}: weights of the lumenspark package lack {', '.join(missing)}")
    table, positions, classes, mixtures, keys, rank = (shapes[name] for name in NEEDED)
    layers = {int(match[1]) for name in shapes if (match := re.match(r"layers\.(\d+)\.", name))}
    sizes = {"vocab_size": table[0], "embed_dim": table[1], "depth": len(layers), "seq_length": positions[0]}
    shared = 0 < keys[0] < table[1]  # all heads share keys of one head's width
    told = {**sizes, "k": mixtures[1], **({"heads": table[1] // keys[0]} if shared else {})}
    heads = _heads(told, config or {}, where)
    dims = {ours: sizes[theirs] for theirs, ours in OF_WEIGHTS.items()}
    options = {
        "dims": {**dims, "num_classes": classes[0]}, "pooling": "tokens", "heads": heads, "k": mixtures[1],
        "rank": rank[0], "shared_kv": "layers.0.attn.value_proj" not in shapes,
        "single_kv_head": shared or heads == 1,
    }  # fmt: skip
    return load_variant(VARIANT, [({"model": options}, str(where))]).model_spec()


def _heads(told: Mapping[str, int], config: Mapping[str, Any], where: str | Path) -> int:
    """How many heads: as the weights have ``told``, which a config must not contradict, or else as the config says."""
    said = {"heads": USUAL_HEADS, **told, **{name: one for name, one in config.items() if one is not None}}
    for name, found in told.items():
        if said[name] != found:
            raise SpecError(f"{where}: config.json says {name} {said[name]!r}, but the weights have {found}")
    heads = said["heads"]
    if type(heads) is not int or heads < 1:
        raise SpecError(f"{where}: config.json: heads: expected a whole number above 0, got {heads!r}")
    return heads
