"""Helpers that many tests share."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import torch
from torch import Tensor

from swarmformer.data.task import Task
from swarmformer.spec import RunSpec
from swarmformer.testing import Status, assert_close, check_component
from swarmformer.variants import resolve_run

__all__ = ["LISTOPS", "assert_close", "assert_loads_soundly", "listops_run", "places_asked", "prefix_mask"]

LISTOPS = {"data": {"task": {"name": "listops", "size": "lite"}}}


def assert_loads_soundly(cls: type[Task], **options: object) -> None:
    """The kit's checks of a task, on data that is there: without it, it has nothing to say of what is loaded."""
    report = check_component(cls, options=options)
    report.raise_for_failures()
    passed = {outcome.check for outcome in report.of(Status.PASSED)}
    assert {"splits_hold_what_is_declared", "loading_again_gives_the_same"} <= passed, report


def prefix_mask(lengths: list[int], N: int) -> Tensor:
    """mask_BN of texts of these lengths, padded to N."""
    return torch.arange(N) < torch.tensor(lengths)[:, None]


def places_asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every name that is looked up and every place that is called from now on, in order; none answers."""
    asked = list[Any]()

    def refuse(*place: Any, **options: Any) -> Any:
        asked.append(place)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", lambda self, place: refuse(place))
    return asked


def listops_run(variant: str = "base", patch: dict[str, Any] | None = None, seed: int = 0) -> RunSpec:
    """A run on small ListOps, with a patch as a command line gives it."""
    return resolve_run(variant, [(LISTOPS, "test"), (patch or {}, "command line")], seed)
