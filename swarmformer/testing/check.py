"""A check: a function of a case that returns where the promise is kept and raises where it is not."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import torch

from swarmformer import registry
from swarmformer.seeding import seed_all
from swarmformer.testing.case import Case
from swarmformer.testing.outcome import Outcome, Status
from swarmformer.testing.require import MalformedError, NotApplicableError, ViolationError


@dataclass(frozen=True)
class Check:
    """A named promise.

    slots: where it applies. once: it is about the class, so the case with the defaults is enough.
    of_mask: where the component says ``honours_mask = False`` it is expected to find a difference, but neither NaN
    nor another shape;
    shows_fault: and there it must fail, or the statement is untrue.
    """

    function: Callable[[Case], None]
    slots: tuple[str, ...]
    once: bool = False
    of_mask: bool = False
    shows_fault: bool = False

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def about(self) -> str:
        """First line of its docstring."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]

    def run(self, case: Case) -> Outcome:
        """Try it on a case; the caller's random state stays as it was."""
        with torch.random.fork_rng(devices=[]):
            seed_all(0)
            status, detail = self._verdict(case)
        return Outcome(case.component, str(case), dict(case.options), self.name, status, detail)

    def _verdict(self, case: Case) -> tuple[Status, str]:
        try:
            self.function(case)
            untrue = self.shows_fault and not case.honours_mask
        except NotApplicableError as reason:
            return Status.NOT_APPLICABLE, str(reason)
        except ViolationError as fault:
            if self.of_mask and not case.honours_mask and not isinstance(fault, MalformedError):
                return Status.EXPECTED_FAILURE, f"says honours_mask = False; {fault}"
            return Status.FAILED, str(fault)
        except Exception as error:  # a component may fail in any way; it is reported, not hidden
            return Status.FAILED, _explain(error)
        if untrue:
            return Status.FAILED, "says honours_mask = False, but pads do not touch its result: say True"
        return Status.PASSED, ""


def check(
    *slots: str, once: bool = False, of_mask: bool = False, shows_fault: bool = False
) -> Callable[[Callable[[Case], None]], Check]:
    """Decorator: make a check of a function; without slots it applies to all."""

    def make(function: Callable[[Case], None]) -> Check:
        return Check(function, slots or tuple(registry.SLOTS), once, of_mask or shows_fault, shows_fault)

    return make


def _explain(error: Exception) -> str:
    """The error and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
