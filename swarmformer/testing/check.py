"""A check: a function of a case that returns where the promise is kept and raises where it is not."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from swarmformer import registry
from swarmformer.seeding import seed_all
from swarmformer.testing.case import Case
from swarmformer.testing.outcome import Outcome, Status
from swarmformer.testing.require import MalformedError, NotApplicableError, ViolationError

LIBRARY, TORCH = Path(registry.__file__).parent, Path(torch.__file__).parent


@dataclass(frozen=True)
class Check:
    """A named promise.

    slots: where it applies. once: it is about the class, so the case with the defaults is enough.
    of_mask: where the component says ``honours_mask = False`` it is expected to find a difference, but neither NaN
    nor another shape;
    shows_fault: and there it must fail, or the statement is untrue;
    or_shown_by: unless this one does.
    """

    function: Callable[[Case], None]
    slots: tuple[str, ...]
    once: bool = False
    of_mask: bool = False
    shows_fault: bool = False
    or_shown_by: Check | None = None

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
            untrue = self.shows_fault and not case.honours_mask and not self._shown_elsewhere(case)
        except NotApplicableError as reason:
            return Status.NOT_APPLICABLE, str(reason)
        except ViolationError as fault:
            if self.of_mask and not case.honours_mask and not isinstance(fault, MalformedError):
                return Status.EXPECTED_FAILURE, f"says honours_mask = False; {fault}"
            return Status.FAILED, str(fault)
        except Exception as error:  # a component may fail in any way; it is reported, not hidden
            return Status.FAILED, explain(error, case)
        if untrue:
            return Status.FAILED, "says honours_mask = False, but pads do not touch its result: say True"
        return Status.PASSED, ""

    def _shown_elsewhere(self, case: Case) -> bool:
        return self.or_shown_by is not None and self.or_shown_by.run(case).status is not Status.PASSED


def check(
    *slots: str,
    once: bool = False,
    of_mask: bool = False,
    shows_fault: bool = False,
    or_shown_by: Check | None = None,
) -> Callable[[Callable[[Case], None]], Check]:
    """Decorator: make a check of a function; without slots it applies to all."""

    def make(function: Callable[[Case], None]) -> Check:
        return Check(function, slots or tuple(registry.SLOTS), once, of_mask or shows_fault, shows_fault, or_shown_by)

    return make


def explain(error: Exception, case: Case) -> str:
    """The error and where it was raised: in the component's own file rather than in what that calls."""
    frames = traceback.extract_tb(error.__traceback__)
    foreign = [frame for frame in frames if not _within(frame.filename, TORCH)]
    others = [frame for frame in foreign if not _within(frame.filename, LIBRARY)]
    own = [frame for frame in frames if frame.filename == inspect.getsourcefile(case.cls)]
    if isinstance(error, TypeError) and not own and "forward()" in str(error):
        return f"TypeError: {error}; forward of the slot {case.slot} takes {_signature(case.slot)}"
    place = (own or others or foreign or frames)[-1]
    return f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})"


def _within(file: str, folder: Path) -> bool:
    return Path(file).is_relative_to(folder)


def _signature(slot: str) -> str:
    """What ``forward`` of a slot takes, as the contract writes it."""
    signature = inspect.signature(registry.interface(slot).forward)  # type: ignore[attr-defined]
    return str(signature).replace("'", "").replace("(self, ", "(")
