"""The checks as pytest tests, one for each check and case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from swarmformer import registry
from swarmformer.errors import ComponentError
from swarmformer.testing.case import Case
from swarmformer.testing.check import Check
from swarmformer.testing.component import checks_of
from swarmformer.testing.outcome import Status


def parametrize_with_checks(components: Iterable[type]) -> Callable[[Callable[..., Any]], Any]:
    """Decorator of a test with one argument, ``check``, to be called without arguments::

        @parametrize_with_checks([Smooth])
        def test_contract(check):
            check()

    A failure fails the test; what does not apply is skipped with its reason; what is expected to fail is
    an xfail.

    Raises:
        ComponentError: there is nothing to check, or a class fills no slot.
    """
    import pytest

    pairs = [pair for cls in components for pair in checks_of(cls, registry.slot_of(cls))]
    if not pairs:
        raise ComponentError("parametrize_with_checks was given no components: nothing would run")
    return pytest.mark.parametrize(
        "check", [pytest.param(_test(check, case), id=f"{case}-{check.name}") for check, case in pairs]
    )


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
