"""Cases of every registered component, from the conformance kit."""

from __future__ import annotations

from swarmformer import registry
from swarmformer.testing import Case, cases_of
from tests.helpers import prefix_mask

__all__ = ["Case", "cases", "prefix_mask"]


def cases(*slots: str) -> list[Case]:
    """Of all components of these slots."""
    return [case for entry in registry.list_components() if entry.slot in slots for case in _of(entry)]


def _of(entry: registry.Entry) -> list[Case]:
    return cases_of(entry.load(), entry.slot)
