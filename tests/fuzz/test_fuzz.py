"""The fuzz: what every reader makes of 400 bad inputs by default, and whole commands of 1,000 where there is time."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests import fuzz
from tests.fuzz import Case, run_case, run_cases, table
from tests.fuzz.inputs import cases, read_alone

KINDS = ("yaml", "words", "data", "records", "models")


@pytest.mark.parametrize("kind", KINDS)
def test_readers_refuse_or_take_whatever_comes(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = [case for case in cases(400, seed=1) if case.kind == kind]
    outcomes = []
    for number, case in enumerate(tried):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        outcomes.append(run_case(case, read_alone))
    assert len(outcomes) >= 40
    assert not [outcome for outcome in outcomes if outcome.fault], "\n".join(table(outcomes))


def test_a_traceback_an_endless_run_and_a_dead_process_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tool itself: each is a fault, costs its own case, and the cases around it are run."""
    monkeypatch.setattr(fuzz, "LIMIT_S", 0.1)
    monkeypatch.setattr(fuzz, "PRELOADED", ())
    writes: list[Callable[[], object]] = [dict, lambda: 1 // 0, dict, _endless, dict, lambda: os._exit(3), dict]
    outcomes = list(run_cases([Case("x", str(n), ("help",), write) for n, write in enumerate(writes)], tmp_path))
    assert [outcome.fault.strip().splitlines()[-1:] for outcome in outcomes] == [
        [], ["ZeroDivisionError: integer division or modulo by zero"], [], ["endless"], [], ["killed"], [],
    ]  # fmt: skip
    assert list(table(outcomes))[1].split() == ["x", "7", "4", "0", "3"]


def _endless() -> None:
    while True:
        with suppress(Exception):
            pass


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_no_command_ends_in_a_traceback_or_never(kind: str, tmp_path: Path) -> None:
    tried = [case for case in cases(1000) if case.kind == kind]
    outcomes = list(run_cases(tried, tmp_path))
    assert len(outcomes) == len(tried)
    assert not [outcome for outcome in outcomes if outcome.fault], "\n".join(table(outcomes))
