"""swarmformer: which parts of a small hierarchical text model earn their keep?"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swarmformer.build import build_model
    from swarmformer.pipeline import load
    from swarmformer.registry import list_components, register
    from swarmformer.variants import list_variants, load_variant

__all__ = ["build_model", "list_components", "list_variants", "load", "load_variant", "register"]
__version__ = "0.1.0"

_HOMES = {
    "build_model": "build",
    "list_components": "registry",
    "register": "registry",
    "list_variants": "variants",
    "load": "pipeline",
    "load_variant": "variants",
}


def __getattr__(name: str) -> Any:
    """Import on first use: what only reads files (``swarmformer.records``) needs no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
