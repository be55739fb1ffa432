"""Kinds of tables, figures and rules: found by name, entry point or path, refused with what to do next."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

from reports.claims.rule import RULES
from reports.errors import ReportError
from reports.figures import KINDS as FIGURES
from reports.kinds import Kinds
from reports.tables import KINDS as TABLES

OURS = [
    (TABLES, "arms", ["arms", "benchmark", "claims", "cost", "effects", "one_factor", "out_of_domain", "overview",
                      "peers", "provenance", "published", "solved", "tuning"]),
    (FIGURES, "effects", ["cost_length", "curves", "effects", "interactions", "pareto", "telemetry"]),
    (RULES, "effect", ["baselines", "cheaper", "effect", "measured", "reproduced", "untestable", "versus"]),
]  # fmt: skip
ALL = pytest.mark.parametrize(("kinds", "name", "names"), OURS, ids=lambda value: getattr(value, "sort", ""))


def options(*, unit: str = "s", places: tuple[int, ...] = ()) -> tuple[str, tuple[int, ...]]:
    """A kind that is a function."""
    return unit, places


@ALL
def test_a_file_in_the_folder_is_a_kind_whose_name_is_taken(kinds: Kinds[Any], name: str, names: list[str]) -> None:
    assert kinds.names() == names
    files = {path.stem for path in (Path(str(importlib.import_module(kinds.package).__file__)).parent).glob("*.py")}
    assert {kinds.get(known).__module__.rpartition(".")[2] for known in names} <= files
    with pytest.raises(ValueError, match=f"two of one name: .*'{name}' is in .*, builtins"):
        kinds.register(name)(dict)


@ALL
def test_what_is_no_kind_is_refused(kinds: Kinds[Any], name: str, names: list[str]) -> None:
    with pytest.raises(ReportError, match=rf"Did you mean '{name}'.*There are {names[0]},.*package\.module:name"):
        kinds.get(f"{name}x")
    for path in ("no_such_module:table", f"{__name__}:nothing"):
        with pytest.raises(ReportError, match="cannot be imported"):
            kinds.get(path)
    if kinds is not TABLES:
        with pytest.raises(ReportError, match="is no subclass of reports"):
            kinds.get(f"{__name__}:Path")


@ALL
def test_entry_points_bring_kinds_and_cannot_shadow_ours(
    kinds: Kinds[Any], name: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = kinds.get(name)
    theirs = f"{ours.__module__}:{ours.__name__}"
    points = [importlib.metadata.EntryPoint(each, theirs, kinds.group) for each in ("theirs", name)]
    monkeypatch.setattr("reports.kinds.entry_points", lambda group: points if group == kinds.group else [])
    assert kinds.names() == [*names, "theirs"] and kinds.get("theirs") is ours
    points[1] = importlib.metadata.EntryPoint(name, "builtins:dict", kinds.group)
    assert kinds.get(name) is ours


def test_options_are_what_a_kind_says_they_are() -> None:
    path = f"{__name__}:options"
    assert TABLES.make(path, {"places": [1, 2]})() == ("s", (1, 2))  # type: ignore[call-arg]
    for wrong in ({"colour": "red"}, {"unit": 3}, {"places": ["x"]}):
        with pytest.raises(ReportError, match=rf"options\.{next(iter(wrong))}.*; known are unit, places"):
            TABLES.make(path, wrong)
    with pytest.raises(ReportError, match="JSON does not know"):
        TABLES.make(path, {"unit": {1}})
