"""What stops a report."""

from __future__ import annotations

from swarmformer.errors import SwarmformerError


class ReportError(SwarmformerError, ValueError):
    """The report as a whole cannot be made; the message says what to do next."""
