"""A cost that cannot be right is an error, not a result."""

from __future__ import annotations

from swarmformer.errors import SwarmformerError


class OutputError(SwarmformerError, ArithmeticError):
    """A model whose output is not finite or has the wrong shape: its speed means nothing."""


class LimitError(SwarmformerError, ArithmeticError):
    """A model that seems to compute faster than the machine can."""


class TooLargeError(SwarmformerError):
    """A measurement that does not fit into the memory or the time that it was given."""
