"""The conformance kit: does a component keep the contract of its slot, and a variant that of a model?

From Python, ``check_component(MyLocal)`` and ``check_variant("base+windowed")`` return a report; in a test,
``parametrize_with_checks`` makes one test of each check; from the shell, ``swarmformer check
my_package.my_module:MyLocal base+windowed``.

Nothing of a component has to be known by the kit but its class. A component that keeps a published fault
says so with ``honours_mask = False``: the checks of masks are then expected to fail, and it is a failure if
pads do not touch its result. One with whole numbers worth trying (a window, a number of heads) names sets of
options in the class attribute ``test_options``; a task names sizes there that load in a moment.
"""

from swarmformer.testing.case import DIMS, Case, cases_of
from swarmformer.testing.check import Check
from swarmformer.testing.checks import CHECKS
from swarmformer.testing.component import check_component
from swarmformer.testing.decorator import parametrize_with_checks
from swarmformer.testing.outcome import Outcome, Report, Status
from swarmformer.testing.require import ViolationError, assert_close
from swarmformer.testing.variant import check_variant

__all__ = [
    "CHECKS",
    "DIMS",
    "Case",
    "Check",
    "Outcome",
    "Report",
    "Status",
    "ViolationError",
    "assert_close",
    "cases_of",
    "check_component",
    "check_variant",
    "parametrize_with_checks",
]
