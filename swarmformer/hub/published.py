"""Published checkpoints (Legg & Sturmanis 2025), which name their parameters differently.

The authors' model is saved by huggingface_hub's mixin: its config.json, where there is one, has the arguments of its
constructor. Without it T_local, cluster size and sequence length, which the weights do not tell, come from a variant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from swarmformer.contracts import Model
from swarmformer.errors import SpecError
from swarmformer.hub.weights import Shapes, with_state
from swarmformer.spec import ModelSpec
from swarmformer.variants import load_variant

BY_WIDTH = {128: "original_small", 192: "original_base"}
OF_WEIGHTS = ("vocab_size", "d_model", "num_layers", "num_classes")
"""Sizes that the weights tell; those of config.json must agree."""
OF_CONFIG = ("cluster_size", "seq_len", "T_local")
NAMES = (
    (r"embedding\.embed\.weight", r"embedding.embed.weight"),
    (r"layers\.(\d+)\.local_agg\.mlp\.([03])\.(\w+)", r"layers.\1.local.mlp.\2.\3"),
    (r"layers\.(\d+)\.local_agg\.gate_net\.([02])\.(\w+)", r"layers.\1.local.gate.net.\2.\3"),
    (r"layers\.(\d+)\.global_attn\.(query|key|value)\.(\w+)", r"layers.\1.cluster.projections.\2.\3"),
    (r"layers\.(\d+)\.broadcast\.linear\.(\w+)", r"layers.\1.feedback.linear.\2"),
    (r"layers\.(\d+)\.broadcast\.gate_net\.([02])\.(\w+)", r"layers.\1.feedback.gate.net.\2.\3"),
    (r"classifier\.(\w+)", r"classifier.\1"),
)
"""Published parameter name → ours."""


def from_published(
    state_dict: Mapping[str, Tensor], variant: str | None = None, config: Mapping[str, Any] | None = None
) -> Model:
    """A ready model (eval mode) from published parameter names.

    Args:
        variant: what has cluster_size, seq_len and T_local where ``config`` does not say; by default chosen by width
            (128: original_small, 192: original_base).
        config: what the checkpoint's config.json holds.

    Raises:
        SpecError: a name or shape that is not of the published model, or a config that contradicts the weights.
    """
    renamed = {our_name(name): tensor for name, tensor in state_dict.items()}
    spec = spec_of({name: tuple(tensor.shape) for name, tensor in renamed.items()}, variant, config)
    return with_state(spec, renamed, "published weights")


def our_name(name: str) -> str:
    """Our name of a published parameter.

    Raises:
        SpecError: there is none.
    """
    for pattern, ours in NAMES:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, ours, name)
    known = ", ".join(pattern.replace("\\", "") for pattern, _ in NAMES)
    raise SpecError(f"{name!r} is not a parameter of the published model, and a model of ours needs the config.json "
                    f"that was saved beside it; known: {known}")  # fmt: skip


def spec_of(
    shapes: Shapes, variant: str | None, config: Mapping[str, Any] | None, where: str | Path = "published weights"
) -> ModelSpec:
    """The specification of published weights, renamed to ours."""
    sizes, said = _sizes_of(shapes, where), _said(config or {}, where)
    for name in OF_WEIGHTS:
        if said.get(name, sizes[name]) != sizes[name]:
            raise SpecError(f"{where}: config.json says {name} {said[name]}, but the weights have {sizes[name]}")
    variant = variant or BY_WIDTH.get(sizes["d_model"]) or ("original" if said.keys() >= set(OF_CONFIG) else None)
    if variant is None:
        raise SpecError(
            f"{where}: no config.json of ours is there, and no published model has width {sizes['d_model']}: copy the "
            "config.json that was saved with the weights; or pass variant= with the name or file of one that has these "
            "sizes, or a config.json that gives T_local, cluster_size and seq_len"
        )
    patch: dict[str, Any] = {"dims": sizes | {name: said[name] for name in said if name in ("cluster_size", "seq_len")}}
    if "T_local" in said:
        patch["local"] = {"T_local": said["T_local"]}
    return load_variant(variant, [({"model": patch}, str(where))]).model_spec()


def _sizes_of(shapes: Shapes, where: str | Path) -> dict[str, int]:
    for needed in ("embedding.embed.weight", "classifier.weight"):
        if len(shapes.get(needed, ())) != 2:
            raise SpecError(f"{where}: published weights lack {needed!r}")
    layers = {int(match[1]) for name in shapes if (match := re.match(r"layers\.(\d+)\.", name))}
    vocab_size, d_model = shapes["embedding.embed.weight"]
    return dict(zip(OF_WEIGHTS, (vocab_size, d_model, len(layers), shapes["classifier.weight"][0]), strict=True))


def _said(config: Mapping[str, Any], where: str | Path) -> dict[str, int]:
    """The sizes in a config.json; what else stands there is not of the model's shape."""
    found = {name: config[name] for name in (*OF_WEIGHTS, *OF_CONFIG) if config.get(name) is not None}
    for name, value in found.items():
        if type(value) is not int or value < 1:
            raise SpecError(f"{where}: config.json: {name}: expected a whole number above 0, got {value!r}")
    return found
