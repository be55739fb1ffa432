"""Faster ways to the same numbers on a CPU, and the switch that turns them all off.

Each has a plain twin, which other devices, ``torch.compile`` and ``use_fast(False)`` take; the tests hold
the two together. On other devices the fused kernels of PyTorch and its compiler do this work.
"""

from swarmformer.fast.masks import Dropout, dropout
from swarmformer.fast.neighbours import three_sum
from swarmformer.fast.piecewise import TRAINING_TOKENS, Piece, in_pieces, pieces
from swarmformer.fast.switch import applies, enabled, use_fast

__all__ = [
    "TRAINING_TOKENS",
    "Dropout",
    "Piece",
    "applies",
    "dropout",
    "enabled",
    "in_pieces",
    "pieces",
    "three_sum",
    "use_fast",
]
