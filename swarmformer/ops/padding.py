"""Texts in chunks, of which the last may be partial.

Any length may come through an exported graph: there nothing may depend on whether a length divides, that a padded
length is a multiple must follow from how it is written, and only natural numbers are divided (ONNX rounds to zero).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def chunk_count(length: int, size: int) -> int:
    """⌈length / size⌉."""
    return (length + size - 1) // size


def missing(length: int, size: int) -> int:
    """0 … size − 1 tokens to the next multiple of ``size``."""
    return chunk_count(length, size) * size - length


def filled(x_BNX: Tensor, size: int) -> Tensor:
    """[B, N, X] with zeros, or False, up to the next multiple of ``size`` tokens; itself where nothing is missing."""
    lacks = missing(x_BNX.shape[1], size)
    if torch.compiler.is_exporting() or lacks:  # a pad of nothing is a copy too
        return F.pad(x_BNX, (0, 0, 0, lacks))
    return x_BNX
