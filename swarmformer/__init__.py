"""swarmformer: which parts of a small hierarchical text model earn their keep?"""

from swarmformer.build import build_model
from swarmformer.registry import list_components, register
from swarmformer.variants import list_variants, load_variant

__all__ = ["build_model", "list_components", "list_variants", "load_variant", "register"]
__version__ = "0.1.0"
