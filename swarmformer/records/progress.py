"""``progress.json``: how far a running cell is, for whoever watches. No result depends on it."""

from __future__ import annotations

from .base import Count, Document, NotNegative


class Progress(Document):
    """``step`` of ``steps`` planned optimiser steps are done; ``words`` say in which epoch.

    ``seconds`` have passed since ``first_step``, the first that the last start of the cell has made.
    """

    step: Count
    steps: Count
    words: str = ""
    first_step: Count
    seconds: NotNegative

    @property
    def left_s(self) -> float | None:
        """Seconds that the steps left will take at the pace so far, validations included; None before there is one."""
        made = self.step - self.first_step
        return (self.steps - self.step) * self.seconds / made if made > 0 else None
