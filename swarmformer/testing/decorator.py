"""The checks as pytest tests, one for each check and case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from swarmformer import registry
from swarmformer.errors import ComponentError
from swarmformer.spec import ModelSpec
from swarmformer.testing.case import Case
from swarmformer.testing.check import Check
from swarmformer.testing.component import checks_of
from swarmformer.testing.outcome import Status
from swarmformer.testing.variant import checks_of_variant


def parametrize_with_checks(subjects: Iterable[type | str | ModelSpec]) -> Callable[[Callable[..., Any]], Any]:
    """Decorator of a test with one argument, ``check``, to be called without arguments::

        @parametrize_with_checks([Smooth, "base+windowed"])
        def test_contract(check):
            check()

    A failure fails the test; what does not apply is skipped with its reason; what is expected to fail is
    an xfail.

    Args:
        subjects: classes of components, names of variants, or their specifications.

    Raises:
        ComponentError: there is nothing to check, or a class fills no slot.
        SpecError: no such variant.
    """
    import pytest

    pairs = [pair for subject in subjects for pair in _checks_of(subject)]
    if not pairs:
        raise ComponentError("parametrize_with_checks was given no components and no variants: nothing would run")
    return pytest.mark.parametrize(
        "check", [pytest.param(_test(check, case), id=f"{case}-{check.name}") for check, case in pairs]
    )


def _checks_of(subject: type | str | ModelSpec) -> Iterable[tuple[Check, Case]]:
    if isinstance(subject, type):
        return checks_of(subject, registry.slot_of(subject))
    return checks_of_variant(subject)


def _test(check: Check, case: Case) -> Callable[[], None]:
    def run() -> None:
        import pytest

        outcome = check.run(case)
        if outcome.status is Status.NOT_APPLICABLE:
            pytest.skip(outcome.detail)
        if outcome.status is Status.EXPECTED_FAILURE:
            pytest.xfail(outcome.detail)
        if outcome.status is Status.FAILED:
            pytest.fail(f"{outcome.case}: {check.about}\n{outcome.detail}", pytrace=False)

    return run
