"""The profile of a training step: every operator once, and no more time than there was."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch.utils.flop_counter import FlopCounterMode

from experiments.speed import narrow, profile
from swarmformer.records import PROFILE, Profile, load


def test_operators_share_the_time_of_a_step_and_all_products_are_among_them() -> None:
    row = profile.profiled("base+windowed", 16, threads=1, steps=3, batch=2)
    times = {time.operator: time for time in row.operators}
    assert len(times) == len(row.operators) and row.steps == 3
    assert [time.seconds for time in row.operators] == sorted((time.seconds for time in row.operators), reverse=True)
    assert 0.3 * row.profiled_s < sum(time.seconds for time in row.operators) <= row.profiled_s
    step, _ = narrow.training_step("base+windowed", 16, 2)
    with FlopCounterMode(display=False) as counter:
        step()
    products = {f"aten::{operator.__name__.split('.')[0]}" for operator in counter.get_flop_counts()["Global"]}
    assert products and products <= set(times)
    assert times["aten::_fused_adamw_"].calls >= 1


def test_it_is_written_and_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--out", str(tmp_path / "p"), "--widths", "16", "--threads", "1", "--steps", "1"]
    measure = profile.measure
    monkeypatch.setattr(profile, "measure", lambda *asked: measure(*asked, batch=2))
    assert profile.main(words) == 0
    found = load(tmp_path / "p" / PROFILE, Profile)
    assert [(row.variant, row.width, row.threads) for row in found.rows] == [("base", 16, 1), ("base+windowed", 16, 1)]
    assert profile.main(words) == 1 and load(tmp_path / "p" / PROFILE, Profile) == found
