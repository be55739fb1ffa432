"""Rules that decide claims: a class each, found by the name that a claim's ``decide:`` gives.

A rule is a file in ``reports/claims/rules`` (or anywhere, as ``package.module:Class``)::

    @register("effect")
    class Effect(Rule):
        factor: str

        def judge(self, claim, study, published, measurements) -> Finding: ...

Its annotated fields are the options that ``decide:`` may give beside the rule's name; anything else is refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..kinds import Kinds, Strict
from .judgement import Finding

if TYPE_CHECKING:
    from ..published import Claim, Published
    from ..study.model import Study
    from .measurements import Measurements


class Rule(Strict, ABC):
    """Base of all rules: strict, nothing beyond the named options."""

    @abstractmethod
    def judge(self, claim: Claim, study: Study, published: Published, measurements: Measurements) -> Finding:
        """The verdict on a claim.

        Verdicts on differences and effects are those of ``study``; a rule computes no interval and no p value.

        Raises ReportError where a measurement is damaged or the claim asks for a number that is not there.
        """


RULES = Kinds[Rule]("rule", f"{__package__}.rules", "swarmformer.rules", Rule)
register = RULES.register


def rule_of(options: Any) -> Rule:
    """``{"rule": "effect", "factor": "windowed"}`` → the rule.

    Raises ReportError where there is no such rule or an option does not fit it.
    """
    if not isinstance(options, Mapping) or not isinstance(options.get("rule"), str):
        raise ValueError("decide: needs a rule: and its options")
    return RULES.make(options["rule"], {key: value for key, value in options.items() if key != "rule"})
