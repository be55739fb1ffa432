"""All checks that apply to a component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from swarmformer import registry
from swarmformer.errors import ComponentError
from swarmformer.testing.case import Case, cases_of
from swarmformer.testing.check import Check
from swarmformer.testing.checks import CHECKS, SCHEMA
from swarmformer.testing.outcome import Outcome, Report, Status


def check_component(cls: type, slot: str | None = None, *, options: Mapping[str, Any] | None = None) -> Report:
    """Hold a component to the contract of its slot, at small sizes on the CPU.

    Args:
        slot: None finds it from the base class.
        options: the only set of options to try. None: the defaults, every other value of the bool and
            Literal options, and the sets in the class attribute ``test_options``.

    Returns:
        Every check with its outcome, up to the first failure of options with which it cannot be built;
        ``report.ok``, ``report.raise_for_failures()``, ``print(report)``.

    Raises:
        ComponentError: the class fills no slot, or no such slot exists.
    """
    slot = slot or registry.slot_of(cls)
    return Report(tuple(_outcomes(cls, slot, options)))


def _outcomes(cls: type, slot: str, options: Mapping[str, Any] | None) -> Iterator[Outcome]:
    registry.interface(slot)
    first = SCHEMA.run(Case(cls, slot))
    if first.status is Status.FAILED:
        yield first
        return
    for _, pairs in groupby(checks_of(cls, slot, options), key=itemgetter(1)):
        for check, case in pairs:
            outcome = check.run(case)
            yield outcome
            if outcome.status is Status.FAILED and not _builds(case):
                break


def _builds(case: Case) -> bool:
    try:
        case.make()
    except Exception:  # a component may fail in any way
        return False
    return True


def checks_of(cls: type, slot: str, options: Mapping[str, Any] | None = None) -> Iterator[tuple[Check, Case]]:
    """Every check with every case it is to be tried on, case by case.

    A class whose constructor is no schema has no options to read, so only that check is left.
    """
    try:
        cases = [Case(cls, slot, options)] if options is not None else cases_of(cls, slot)
    except ComponentError:
        yield SCHEMA, Case(cls, slot)
        return
    for number, case in enumerate(cases):
        for check in CHECKS:
            if slot in check.slots and not (check.once and number):
                yield check, case
