"""Registered plans: kept to, or every way in which they were not."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.statistics.looks import bounds_over_looks, p_over_looks
from reports.statistics.verdict import Verdict
from reports.study.build import study
from reports.study.contrasts import Contrast
from reports.study.families import versus
from reports.study.model import GridStudy
from reports.study.read import read_grid
from reports.study.registration import followed, matched_pairs
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_design import write_design

START, LATER = "2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00"


def hashed(plan: dict[str, Any]) -> str:
    content = {k: plan[k] for k in ("grid", "base", "seeds", "designs", "matched", "primary", "cells")}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def registered_grid(tmp_path: Path, **changes: Any) -> Path:
    """Two arms, two seeds, registered a day before the first run."""
    grid = tmp_path / "demo"
    plan = {
        **runs.plan(["base", "x"], [0, 1]), "designs": [], "matched": [],
        "primary": {"metric": "accuracy", "margin_points": 0.3}, **changes,
    }  # fmt: skip
    plan["hash"] = hashed(plan)
    runs.write(grid / "plan.json", plan)
    record = {"schema": 1, "hash": plan["hash"], "registered_at": "2026-01-01T00:00:00+00:00", "code_revision": "abc"}
    runs.write(grid / "registered.json", {**record, "plan": plan})
    for arm in ("base", "x"):
        for seed in (0, 1):
            runs.write_cell(grid, runs.result(arm, seed, 0.5, started_at=START))
    return grid


def change(path: Path, alter: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads(path.read_text())
    alter(record)
    path.write_text(json.dumps(record))


def deviations(grid: Path) -> tuple[str, ...]:
    return followed(read_grid(grid)).deviations


def test_a_plan_that_was_kept_to(tmp_path: Path) -> None:
    grid = registered_grid(tmp_path)
    (found,) = study([grid]).grids
    assert found.followed.deviations == ()
    said = found.followed.said
    assert "registered 2026-01-01T00:00:00+00:00 at code abc" in said and "±0.3 points" in said
    assert "The runs followed it." in said and said in found.notes


def test_a_grid_that_was_not_registered_says_so(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}})
    (found,) = study([grid]).grids
    assert "not registered before its runs" in found.followed.said


def extended_grid(tmp_path: Path) -> Path:
    """As registered, and a third seed, registered after the runs of the others and run afterwards."""
    grid = registered_grid(tmp_path)
    plan = json.loads((grid / "plan.json").read_text()) | runs.plan(["base", "x"], [0, 1, 2])
    plan["hash"] = hashed(plan)
    runs.write(grid / "plan.json", plan)
    record = {"schema": 2, "hash": plan["hash"], "registered_at": LATER, "code_revision": "abd", "plan": plan}
    runs.write(grid / "extended.json", {"schema": 1, "registrations": [record]})
    for arm in ("base", "x"):
        runs.write_cell(grid, runs.result(arm, 2, 0.5, started_at="2026-01-04T00:00:00+00:00"))
    return grid


def test_seeds_that_were_registered_later_are_told(tmp_path: Path) -> None:
    (found,) = study([extended_grid(tmp_path)]).grids
    assert found.followed.deviations == ()
    assert "4 runs; primary" in found.followed.said and "The runs followed it." in found.followed.said
    said = f"Registered later, {LATER}, after 4 runs of it had started: seed 2; p and intervals allow for a look"
    assert said in found.followed.said


@pytest.mark.parametrize("knows", [True, False])
def test_a_run_that_knew_the_registration_came_after_it_whatever_the_clocks_say(tmp_path: Path, knows: bool) -> None:
    """As where the node that registered is ahead of the one that ran."""
    grid = registered_grid(tmp_path)
    plan = json.loads((grid / "registered.json").read_text())["hash"]
    early = {"started_at": "2025-12-31T23:59:56+00:00", "registered": [plan if knows else "another"]}
    change(next(grid.glob("x-1*/result.json")), lambda result: result.update(early))
    late = [deviation for deviation in deviations(grid) if "registered after 1 of 4 runs had started" in deviation]
    assert len(late) == (not knows)


def test_seeds_that_were_taken_back_before_a_run_void_nothing_and_are_told(tmp_path: Path) -> None:
    grid = extended_grid(tmp_path)
    for arm in ("base", "x"):
        shutil.rmtree(grid / runs.cell_name(arm, 2))
    assert any("not started: 2 runs" in deviation for deviation in deviations(grid)), "planned still"
    registered = json.loads((grid / "registered.json").read_text())["plan"]
    runs.write(grid / "plan.json", registered)
    (found,) = study([grid]).grids
    assert found.followed.deviations == () and found.margin is not None
    assert "but neither planned any more nor run: 1 seed, 2." in found.followed.said and found.looks == ()
    runs.write_cell(grid, runs.result("x", 2, 0.5, started_at="2026-01-04T00:00:00+00:00"))
    assert any("registered, but not in plan.json" in deviation for deviation in deviations(grid)), "run"


AFTER = "2026-01-04T00:00:00+00:00"


def grown_design(tmp_path: Path, started: str) -> GridStudy:
    """A full factorial of two factors, three seeds, to which three were added; those of the first ``started`` then."""
    grid = write_design(tmp_path / "demo", {("a",): 0.02}, factors=("a", "b"), resolution=None, seeds=range(6))
    plan = json.loads((grid / "plan.json").read_text())
    runs.write_registered(grid, plan | runs.plan([arm["arm"] for arm in plan["arms"]], [0, 1, 2]))
    record = {"schema": 2, "hash": plan["hash"], "registered_at": LATER, "code_revision": "abd", "plan": plan}
    runs.write(grid / "extended.json", {"schema": 1, "registrations": [record]})
    runs.write(grid / "plan.json", plan)
    for path in grid.glob("*/result.json"):
        change(path, lambda result: result.update(started_at=AFTER if result["seed"] > 2 else started))
    (found,) = study([grid]).grids
    assert found.followed.unregistered == ""
    return found


def test_p_and_intervals_allow_for_what_was_seen_when_seeds_were_added(tmp_path: Path) -> None:
    """Of main effects, interactions and differences alike; where nothing had been run there was nothing to see."""
    seen, unseen = (grown_design(tmp_path / start[:10], start) for start in (START, AFTER))
    assert seen.looks == (frozenset({0, 1, 2}),) and unseen.looks == (frozenset(),)
    larger = 0
    for one, plain in zip(seen.contrasts(), unseen.contrasts(), strict=True):
        differences = [value for _, value in sorted(by_seed(seen, one).items())]
        allowed = p_over_looks([differences[:3], differences[3:]])
        low, high = bounds_over_looks([differences[:3], differences[3:]])
        assert one.p == pytest.approx(max(plain.p, allowed))
        assert one.interval.low == pytest.approx(min(plain.interval.low, low))
        assert one.interval.high == pytest.approx(max(plain.interval.high, high))
        larger += one.p > plain.p
    assert larger, "else the two would be the same"
    assert "p and intervals allow for a look at those runs" in seen.followed.said and "look" not in unseen.followed.said
    assert versus(seen, "base+a+b", "base+a").p > versus(unseen, "base+a+b", "base+a").p


def by_seed(grid: GridStudy, contrast: Contrast) -> dict[int, float]:
    """The contrast of every seed, by hand: four arms."""
    off, a, b, both = ({int(seed): value for seed, value in grid.arm(name).values.items()}
                       for name in ("base", "base+a", "base+b", "base+a+b"))  # fmt: skip
    arms = {"base+a": a, "base+b": b, "base+a+b": both}
    signs = {"a": (-1, 1, -1, 1), "b": (-1, -1, 1, 1), "a × b": (1, -1, -1, 1)}
    if contrast.kind == "difference":
        return {seed: arms[contrast.name][seed] - off[seed] for seed in off}
    return {seed: sum(sign * arm[seed] / 2 for sign, arm in zip(signs[contrast.name], (off, a, b, both), strict=True))
            for seed in off}  # fmt: skip


EXTENSIONS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "late": (lambda r: r.update(registered_at="2026-01-05T00:00:00"), "registered after 2 of 2 runs had started"),
    "hash": (lambda r: r.update(hash="0"), "the hash in extended.json is not that of the plan in it"),
    "margin": (lambda r: r["plan"]["primary"].update(margin_points=1.0), "extended.json changes more than seeds"),
    "seeds": (lambda r: r["plan"].update(runs.plan(["base", "x"], [0, 1])), "run, but not registered: demo/base-2"),
}


@pytest.mark.parametrize("case", EXTENSIONS)
def test_every_deviation_of_an_extension_is_named(tmp_path: Path, case: str) -> None:
    grid = extended_grid(tmp_path)
    alter, said = EXTENSIONS[case]
    change(grid / "extended.json", lambda record: alter(record["registrations"][0]))
    assert any(said in deviation for deviation in deviations(grid)), deviations(grid)


def test_an_extension_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    grid = extended_grid(tmp_path)
    (grid / "extended.json").write_text("{")
    (found,) = study([grid]).grids
    assert any("demo/extended.json (UNREADABLE)" in warning for warning in found.warnings)
    assert any("run, but not registered" in deviation for deviation in found.followed.deviations)


def swap_key(plan: dict[str, Any]) -> None:
    plan["cells"][0]["run_key"] = "other"


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "content": (
        lambda grid: change(grid / "registered.json", lambda r: r["plan"]["primary"].update(margin_points=1.0)),
        "is not that of the plan in it",
    ),
    "plan": (
        lambda grid: change(grid / "plan.json", lambda r: r.update(seeds=[0, 1, 2], base="x")),
        "plan.json differs from the registered plan in base, seeds",
    ),
    "plan hash": (lambda grid: change(grid / "plan.json", lambda r: r.update(hash="")), "the hash in plan.json is not"),
    "late": (
        lambda grid: change(grid / "registered.json", lambda r: r.update(registered_at="2026-01-03T00:00:00")),
        "registered after 4 of 4 runs had started, the first 2026-01-02T00:00:00+00:00",
    ),
    "no time": (
        lambda grid: change(grid / "base-0" / "result.json", lambda r: r.pop("started_at")),
        "1 run of 4 without the time of its start",
    ),
    "missing": (lambda grid: (grid / "x-1" / "result.json").unlink(), "not finished: 1 run"),
    "failed": (
        lambda grid: (
            (grid / "x-1" / "result.json").unlink(), runs.write_cell(grid, runs.failure("x", 1, "NaN")),
        ),
        "failed: 1 run",
    ),
    "extra": (lambda grid: runs.write_cell(grid, runs.result("x", 7, 0.9)), "run, but not planned: 1 run"),
    "key": (
        lambda grid: change(grid / "registered.json", lambda r: swap_key(r["plan"])),
        "run with another configuration (run key) than registered: demo/base-0",
    ),
    "cell": (
        lambda grid: change(grid / "plan.json", lambda r: r["cells"].pop()),
        "registered, but not in plan.json: x-1",
    ),
    "unreadable": (lambda grid: (grid / "registered.json").write_text("{"), "nothing could be checked"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_deviation_is_named(tmp_path: Path, case: str) -> None:
    grid = registered_grid(tmp_path)
    alter, said = CASES[case]
    alter(grid)
    assert any(said in deviation for deviation in deviations(grid)), deviations(grid)
    assert any("was not kept to" in warning for warning in study([grid]).grids[0].warnings)


UNFINISHED = ("missing", "failed", "extra")
"""Cases that leave the plan as it was registered."""


def verdicts_of(grid: Path) -> set[Verdict | None]:
    (found,) = study([grid]).grids
    return {contrast.verdict for contrast in found.contrasts()}


@pytest.mark.parametrize("case", CASES)
def test_a_plan_that_was_changed_decides_nothing(tmp_path: Path, case: str) -> None:
    grid = registered_grid(tmp_path)
    assert None not in verdicts_of(grid)
    CASES[case][0](grid)
    (found,) = study([grid]).grids
    assert (found.margin is None) is bool(found.followed.unregistered) is (case not in UNFINISHED)
    if case not in UNFINISHED:
        assert verdicts_of(grid) <= {None} and "so there is no verdict" in found.verdicts


def test_a_grid_that_was_not_registered_decides_nothing(tmp_path: Path) -> None:
    grid = registered_grid(tmp_path)
    (grid / "registered.json").unlink()
    (found,) = study([grid]).grids
    assert found.followed.unregistered == "not registered before its runs" and verdicts_of(grid) == {None}


def test_a_warning_names_six_cells_at_most_and_no_cell_is_named_twice(tmp_path: Path) -> None:
    grid = registered_grid(tmp_path)
    arms = [f"arm{number}" for number in range(9)]
    change(grid / "registered.json", lambda r: r["plan"].update(runs.plan(["base", "x", *arms], [0, 1])))
    change(grid / "plan.json", lambda plan: plan.update(runs.plan(["base", "x", *arms[:8]], [0, 1])))
    for seed in range(2, 9):
        runs.write_cell(grid, runs.result("x", seed, 0.5))
    warnings = study([grid]).grids[0].warnings
    named = [re.findall(r"(?:arm\d|x)-\d", warning) for warning in warnings]
    assert max(map(len, named)) == 6 and sum("more" in warning for warning in warnings) == 2
    assert max(Counter(name for names in named for name in names).values()) == 1
    assert any("not started: 16 runs" in warning and "arm8-0, arm8-1." in warning for warning in warnings)


@pytest.mark.parametrize(
    ("quantity", "ratio", "holds"), [("parameters", 0.5, False), ("flops", 1.01, True), ("seconds", 1.5, False)]
)
def test_pairs_are_held_against_their_tolerance(tmp_path: Path, quantity: str, ratio: float, holds: bool) -> None:
    pair = {"arm": "x", "control": "base", "quantity": quantity, "tolerance": 0.02, "ratio": None}
    grid = registered_grid(tmp_path, matched=[pair])
    for seed, slower in ((0, 3.0), (1, 1.0)):  # medians of 20 and 10, not the mean of ratios
        changes = {
            "parameters": {"total": 1_000_000, "without_embedding": 11_728},
            "flops": {"forward": 12_469_135, "length": 64}, "seconds": {"train": 10.0 * slower, "total": 50.0},
        }  # fmt: skip
        runs.write_cell(grid, runs.result("x", seed, 0.5, started_at=START, **changes))
        times = {"seconds": {"train": 40 / 3, "total": 1.0}}
        runs.write_cell(grid, runs.result("base", seed, 0.5, started_at=START, **times))
    (found,) = matched_pairs(read_grid(grid))
    assert found.ratio == pytest.approx(ratio, rel=1e-4) and found.holds is holds and found.runs == 2
    shown = study([grid]).grids[0]
    assert shown.matched == (found,)
    assert any(found.words in line for line in (shown.notes if holds else shown.warnings))


def test_a_pair_without_runs_on_one_device_is_not_known(tmp_path: Path) -> None:
    pair = {"arm": "x", "control": "base", "quantity": "seconds", "tolerance": 0.02, "ratio": None}
    grid = registered_grid(tmp_path, matched=[pair])
    for seed in (0, 1):
        runs.write_cell(grid, runs.result("x", seed, 0.5, started_at=START, device="cuda: H"))
    (found,) = matched_pairs(read_grid(grid))
    assert found.holds is None and "not known" in found.words
