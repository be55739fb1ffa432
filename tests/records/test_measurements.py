"""Files of measured costs: committed ones of all ages are read whole and written again; a wrong row is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from swarmformer.records import (
    COSTS,
    FIGURES,
    GPU,
    PROFILE,
    AccuracyByPrecision,
    Document,
    GpuBenchmark,
    Norms,
    Profile,
    Properties,
    ScalingCosts,
    SpeedBenchmark,
    load,
    load_json,
    save,
)
from swarmformer.records.costs import renamed
from tests.committed import RESULTS

KINDS: dict[str, type[Document]] = {
    COSTS: ScalingCosts, FIGURES: SpeedBenchmark, GPU: GpuBenchmark,
    "accuracy.json": AccuracyByPrecision, "properties.json": Properties, "norms.json": Norms, PROFILE: Profile,
}  # fmt: skip
FILES = sorted(path for name in KINDS for path in RESULTS.rglob(name))


def named(path: Path) -> str:
    return path.relative_to(RESULTS).as_posix()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_committed_file_is_read_and_written_as_it_was(path: Path, tmp_path: Path) -> None:
    kind = KINDS[path.name]
    found = load(path, kind)
    save(tmp_path / path.name, found)
    assert load(tmp_path / path.name, kind) == found


@pytest.mark.parametrize("path", FILES, ids=named)
def test_every_key_of_a_committed_file_is_kept(path: Path, tmp_path: Path) -> None:
    """What a record does not declare is passed over when a file is read, and would be lost when one is written."""
    save(tmp_path / path.name, load(path, KINDS[path.name]))
    before = renamed(load_json(path)) if json.loads(path.read_text())["schema"] == 1 else load_json(path)
    assert set(leaves(before)) <= set(leaves(load_json(tmp_path / path.name)))


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Place and value, but for schema numbers; 5 and 5.0 are one value."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key != "schema":
                yield from leaves(part, f"{at}.{key}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from leaves(part, f"{at}.{number}")
    else:
        yield at, value


def first_row(path: str) -> BaseModel:
    found = load(RESULTS / path, KINDS[Path(path).name])
    rows = getattr(found, "arms" if path.endswith(FIGURES) else "rows")
    row: BaseModel = rows[0]
    return row


@pytest.mark.parametrize(("path", "change"), [
    ("cost/scaling/costs.json", {"median_s": 0.0}),
    ("cost/scaling/costs.json", {"growth_bytes": None}),
    ("cost/scaling/costs.json", {"seconds": [0.1]}),
    ("cost/scaling_long/costs.json", {"length": "16384"}),
    ("cost/figures/figures.json", {"share_of_limit": float("nan")}),
    ("cost/figures/figures.json", {"repeats": 0}),
    ("cost/gpu/gpu.json", {"way": "interpreted"}),
    ("cost/gpu/gpu.json", {"load_average": (0.1,)}),
    ("cost/accuracy.json", {"accuracy": 1.1}),
    ("properties/norms.json", {"step": -1}),
    ("cost/profile/profile.json", {"threads": 0}),
])  # fmt: skip
def test_a_wrong_row_is_refused_when_it_is_made(path: str, change: dict[str, Any]) -> None:
    row = first_row(path)
    columns = {name: getattr(row, name) for name in type(row).model_fields}
    assert type(row)(**columns) == row
    with pytest.raises(ValidationError, match=next(iter(change))):
        type(row)(**{**columns, **change})
