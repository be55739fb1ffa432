"""What the class says of itself, before anything is computed."""

from __future__ import annotations

import inspect
import json

from swarmformer import registry
from swarmformer.errors import SwarmformerError
from swarmformer.schema import check_options, options_of
from swarmformer.testing.case import Case
from swarmformer.testing.check import check
from swarmformer.testing.require import ViolationError, require


@check(once=True)
def constructor_is_a_schema(case: Case) -> None:
    """Right base class; options are keyword-only, typed, defaulted; no *args, no **kwargs."""
    try:
        registry.check_class(case.cls, case.slot)
    except SwarmformerError as error:
        raise ViolationError(str(error)) from error


@check(once=True)
def docstring_has_a_summary(case: Case) -> None:
    """The first line of the class's own docstring is a sentence or a question: lists print it."""
    summary = (inspect.cleandoc(case.cls.__dict__.get("__doc__") or "")).split("\n", 1)[0]
    require(bool(summary), "the class has no docstring; its first line is what lists of components print")
    require(summary.endswith((".", ")", "?")), f"the docstring's first line is no whole sentence: {summary!r}")


@check()
def options_can_be_stored(case: Case) -> None:
    """Defaults and chosen options fit their types and come back from JSON as they were."""
    try:
        stored = check_options(case.cls, case.options, (), lambda path: "")
    except SwarmformerError as error:
        raise ViolationError(str(error)) from error
    again = check_options(case.cls, json.loads(json.dumps(stored)), (), lambda path: "")
    require(again == stored, f"options change when they are stored: {stored} → {again}")
    for option in options_of(case.cls, registry.leading_of(case.slot, case.cls)):
        given = case.options.get(option.name, option.default)
        kept = stored[option.name]
        same = kept == (list(given) if isinstance(given, tuple) else given)
        require(same, f"option {option.name!r}: {given!r} is stored as {kept!r}")


@check()
def builds(case: Case) -> None:
    """The constructor takes these options at small sizes."""
    case.make()
