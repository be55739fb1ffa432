"""``profile.json`` of ``experiments.speed.profile``: where the time of a training step goes."""

from __future__ import annotations

from .base import Document, Natural, NotNegative, Positive, Record
from .environment import Start


class OperatorTime(Record):
    """Of a step: seconds within the operator itself, without the operators that it calls, and how often it runs."""

    operator: str
    seconds: NotNegative
    calls: NotNegative


class StepProfile(Record):
    """One fp32 step of ``batch`` texts of ``length`` tokens, means over ``steps``.

    seconds: median of a step without the profiler; profiled_s: mean of one under it, of which ``operators``, the
    longest first, have all but what passes between them, in Python.
    """

    variant: str
    width: Natural
    threads: Natural
    batch: Natural
    length: Natural
    steps: Natural
    seconds: Positive
    profiled_s: Positive
    operators: tuple[OperatorTime, ...]


class Profile(Document):
    """``allocator``: how freed memory is given back."""

    start: Start
    device: str
    allocator: str
    rows: tuple[StepProfile, ...]
