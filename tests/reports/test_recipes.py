"""What a run was trained with, as reports name it."""

from __future__ import annotations

import pytest

from reports.recipes import spec_of, value_at
from tests.committed import runs_of


@pytest.mark.parametrize(
    ("grid", "cell", "rate"),
    [("imdb_small", "original_small-s0-*", 4.76e-4), ("imdb_small_recipe", "original-s0-*", 1e-3)],
)
def test_the_rate_is_found_where_older_and_newer_runs_write_it(grid: str, cell: str, rate: float) -> None:
    spec = spec_of(next(runs_of(grid).glob(cell)))
    assert value_at(spec, "train.optimiser.lr") == rate and value_at(spec, "train.optimiser.weight_decay") == 0.0541
    assert value_at(spec, "train.nothing.here") is None
