"""Rules that decide claims: a class each, found by the name that a claim's ``decide:`` gives.

A rule is a file in ``reports/claims/rules`` (or anywhere, as ``package.module:Class``)::

    @register("effect")
    class Effect(Rule):
        factor: str

        def judge(self, claim, study, published, measurements) -> Finding: ...

Its annotated fields are the options that ``decide:`` may give beside the rule's name; anything else is refused.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict

from .judgement import Finding

if TYPE_CHECKING:
    from ..published import Claim, Published
    from ..study.model import Study
    from .measurements import Measurements


class Rule(BaseModel, ABC):
    """Base of all rules: strict, nothing beyond the named options."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    @abstractmethod
    def judge(self, claim: Claim, study: Study, published: Published, measurements: Measurements) -> Finding:
        """The verdict on a claim.

        Verdicts on differences and effects are those of ``study``; a rule computes no interval and no p value.

        Raises ReportError where a measurement is damaged or the claim asks for a number that is not there.
        """


_rules: dict[str, type[Rule]] = {}
RuleT = TypeVar("RuleT", bound=type[Rule])


def register(name: str) -> Callable[[RuleT], RuleT]:
    """Class decorator. Raises ValueError where another class has the name."""

    def decorate(rule: RuleT) -> RuleT:
        if _rules.setdefault(name, rule) is not rule:
            raise ValueError(f"rule {name!r} is both {_rules[name].__module__} and {rule.__module__}")
        return rule

    return decorate


@cache
def _load_own() -> None:
    from . import rules

    for module in pkgutil.iter_modules(rules.__path__, f"{rules.__name__}."):
        importlib.import_module(module.name)


def rule_names() -> list[str]:
    _load_own()
    return sorted(_rules)


def rule_of(options: Any) -> Rule:
    """``{"rule": "effect", "factor": "windowed"}`` → the rule.

    Raises ValueError where there is no such rule or an option does not fit it (pydantic's errors are ValueErrors).
    """
    if not isinstance(options, Mapping) or not isinstance(options.get("rule"), str):
        raise ValueError("decide: needs a rule: and its options")
    return _class(options["rule"]).model_validate({key: value for key, value in options.items() if key != "rule"})


def _class(name: str) -> type[Rule]:
    module, colon, attribute = name.partition(":")
    if not colon:
        known = rule_names()
        if name not in known:
            raise ValueError(f"no rule {name!r}; there are {', '.join(known)}, or name one as package.module:Class")
        return _rules[name]
    try:
        rule = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"rule {name!r} cannot be loaded: {error}") from error
    if not (isinstance(rule, type) and issubclass(rule, Rule)):
        raise ValueError(f"{name!r} is no subclass of {Rule.__module__}.Rule")
    return rule
