"""Text from a language model, token by token."""

from swarmformer.generation.generator import TextGenerator
from swarmformer.generation.sampling import Sampling

__all__ = ["Sampling", "TextGenerator"]
