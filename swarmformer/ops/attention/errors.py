"""What can go wrong between a call of ``attend`` and a back end."""

from __future__ import annotations

from swarmformer.errors import SwarmformerError


class AttentionError(SwarmformerError, ValueError):
    """Arguments that do not fit together, or a back end that was asked for and cannot do the job."""
