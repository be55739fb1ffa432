"""The front door: a model by the name of its variant."""

from __future__ import annotations

from typing import Any

from swarmformer.assembly import assemble
from swarmformer.contracts import Model
from swarmformer.merge import nest
from swarmformer.variants import load_variant


def build_model(variant: str, **overrides: Any) -> Model:
    """Build a model by variant name, with overrides of its ``model`` section.

    Examples:
        ``build_model("base+windowed")``,
        ``build_model("base", dims={"d_model": 64}, cluster={"heads": 4})``,
        ``build_model("base", **{"dims.d_model": 64, "local": "windowed_attention"})``.

    Returns:
        A module with ``model(ids_BN, mask_BN=None) -> logits_BK`` and its specification as ``model.spec``.

    Raises:
        SpecError: unknown variant, component or option, or sizes that do not fit.
    """
    loaded = load_variant(variant, [({"model": nest(overrides)}, "overrides")])
    with loaded.tree.located():
        return assemble(loaded.model_spec())
