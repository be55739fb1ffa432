"""Claim → finding: the function of each rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..published import Claim
from . import cost, effects, figures, structure
from .decide import Untestable
from .finding import Context, Finding, once, untestable


def _untestable(_context: Context, rule: Untestable) -> Finding:
    return untestable(rule.reason)


RULES: dict[str, Callable[[Context, Any], Finding]] = {
    "beats_control": effects.beats_control,
    "beats_floors": figures.beats_floors,
    "causal": structure.causal,
    "cheaper": cost.cheaper,
    "consistent": figures.consistent,
    "effect": effects.effect,
    "fewer_parameters": structure.fewer_parameters,
    "fits_memory": structure.fits_memory,
    "honours_mask": structure.honours_mask,
    "memory": figures.memory,
    "no_gate": structure.no_gate,
    "order": cost.order,
    "parameters": figures.parameters,
    "pyramid_depth": structure.pyramid_depth,
    "reproduced": figures.reproduced,
    "saving_without_layers": structure.saving_without_layers,
    "sees_order": structure.sees_order,
    "token_cluster_term": structure.token_cluster_term,
    "untestable": _untestable,
    "within_peak": figures.within_peak,
}
"""By the name that ``decide:`` gives as ``rule:``."""


def judge(context: Context, claim: Claim) -> Finding:
    """The finding on a claim; its own entry in published.yaml is the first of its sources.

    Raises ReportError where a file of evidence cannot be read.
    """
    found = RULES[claim.decide.rule](context, claim.decide)
    return Finding(found.ruling, found.figures, found.why, once((claim.source, *found.sources)))
