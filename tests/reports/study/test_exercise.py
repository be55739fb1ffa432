"""A mechanism that hardly acted is called so, in every output, and what is not known changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from reports.statistics.verdict import Verdict
from reports.study.build import study
from reports.study.exercise import Exercised, Mechanism, exercised, idle_factor
from reports.study.model import GridStudy
from reports.tables.arms import arms as arms_table
from reports.tables.columns import _exercised
from swarmformer.records import Result
from tests.reports import synthetic_runs as runs

CHUNKS, ROUTED = {"name": "fixed_chunk"}, {"name": "learned", "logits": "content"}
ACCURACIES = {"base": {0: 0.50, 1: 0.51, 2: 0.52}, "base+routing": {0: 0.60, 1: 0.615, 2: 0.62}}


def measured(value: float, layer: int = 0, **changes: Any) -> dict[str, Any]:
    row = {"place": f"layers.{layer}.router", "slot": "router", "component": "learned", "measure": "agreement"}
    return {**row, "value": value, "most": 0.9, **changes}


def watched_grid(
    folder: Path,
    telemetry: Mapping[str, Sequence[Any]],
    designs: Sequence[Any] = (),
    base: str = "base",
    accuracies: Mapping[str, dict[int, float]] = ACCURACIES,
) -> GridStudy:
    """Arms with these measures and accuracies; by default two that differ in their router."""
    runs.write_grid(folder, accuracies, [0, 1, 2])
    plan = json.loads((folder / "plan.json").read_text())
    primary = {"metric": "accuracy", "margin_points": 0.3}
    runs.write_registered(folder, {**plan, "primary": primary, "designs": list(designs), "base": base})
    for arm in accuracies:
        router = ROUTED if "routing" in arm else CHUNKS
        for seed in (0, 1, 2):
            cell = folder / runs.cell_name(arm, seed)
            config = json.loads((cell / "config.json").read_text())
            config["spec"]["model"] = {"name": "swarmformer", "router": router, "final_dropout": 0.0}
            runs.write(cell / "config.json", config)
            result = json.loads((cell / "result.json").read_text())
            runs.write(cell / "result.json", {**result, "telemetry": list(telemetry.get(arm, []))})
    (grid,) = study([folder]).grids
    return grid


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.99, 0.95], Verdict.NOT_EXERCISED), ([0.95, 0.80], Verdict.BETTER), ([], Verdict.BETTER)],
)
def test_a_mean_over_layers_beyond_the_limit_takes_the_verdict_away(
    tmp_path: Path, values: list[float], expected: Verdict
) -> None:
    """0.95 and 0.80 are 0.875 on average, below 0.9. Runs without telemetry keep their verdict."""
    rows = [measured(value, layer) for layer, value in enumerate(values)]
    contrast = watched_grid(tmp_path / "demo", {"base+routing": rows}).contrast("difference", "base+routing", "base")
    assert contrast is not None and contrast.verdict is expected
    if expected is Verdict.NOT_EXERCISED:
        assert contrast.reason == "router: agreement 0.97, exercised up to 0.9"


def test_only_what_differs_from_the_base_counts(tmp_path: Path) -> None:
    """Idle attention between clusters, which both have, says nothing of routing."""
    idle = measured(0.0, slot="cluster", measure="elsewhere", least=0.05, most=None)
    grid = watched_grid(tmp_path / "demo", {"base+routing": [measured(0.5), idle], "base": [idle]})
    contrast = grid.contrast("difference", "base+routing", "base")
    assert contrast is not None and contrast.verdict is Verdict.BETTER


def test_one_out_it_is_the_base_that_has_the_mechanism(tmp_path: Path) -> None:
    designs = [{"kind": "one_out", "base": "base+routing", "factors": ["routing"],
                "levels": {"base+routing": ["routing"], "base": []}}]  # fmt: skip
    grid = watched_grid(tmp_path / "demo", {"base+routing": [measured(1.0)]}, designs, base="base+routing")
    contrast = grid.contrast("difference", "base", "base+routing")
    assert contrast is not None and contrast.verdict is Verdict.NOT_EXERCISED


def test_an_effect_is_not_exercised_where_no_arm_with_the_factor_exercised_it(tmp_path: Path) -> None:
    designs = [{"kind": "factorial", "base": "base", "factors": ["routing"],
                "levels": {"base": [], "base+routing": ["routing"]}}]  # fmt: skip
    (effects,) = watched_grid(tmp_path / "idle", {"base+routing": [measured(1.0)]}, designs).effects
    assert [one.verdict for one in effects.main.contrasts] == [Verdict.NOT_EXERCISED]
    (effects,) = watched_grid(tmp_path / "busy", {"base+routing": [measured(0.5)]}, designs).effects
    assert [one.verdict for one in effects.main.contrasts] == [Verdict.BETTER]


@pytest.mark.parametrize(("agreement", "expected"), [(1.0, Verdict.NOT_EXERCISED), (0.5, Verdict.INTERACTS)])
def test_no_effect_depends_on_a_mechanism_that_was_not_exercised(
    tmp_path: Path, agreement: float, expected: Verdict
) -> None:
    """The MLP is worth eleven points without routing and none with it, whose router stayed at the chunks or did not."""
    levels = {"base": [], "base+routing": ["routing"], "base+gated_mlp": ["gated_mlp"],
              "base+routing+gated_mlp": ["routing", "gated_mlp"]}  # fmt: skip
    means = (0.50, 0.60, 0.61, 0.60)
    accuracies = {arm: {seed: mean + 0.001 * (seed - 1) * place**2 for seed in (0, 1, 2)}
                  for place, (arm, mean) in enumerate(zip(levels, means, strict=True))}  # fmt: skip
    designs = [{"kind": "factorial", "base": "base", "factors": ["routing", "gated_mlp"], "levels": levels}]
    rows = {arm: [measured(agreement)] for arm in levels if "routing" in arm}
    (effects,) = watched_grid(tmp_path / "demo", rows, designs, accuracies=accuracies).effects
    mains = {one.name: one.verdict for one in effects.main.contrasts}
    assert [one.verdict for one in effects.interactions.contrasts] == [expected]
    assert mains["gated_mlp"] is (Verdict.BETTER if agreement == 1.0 else Verdict.DEPENDS)


def test_of_several_arms_all_must_be_idle_and_unknown_is_not_idle() -> None:
    idle = Exercised({"router": ROUTED}, (Mechanism("router", "agreement", 1.0, None, 0.9, 1.0, 1.0),))
    busy = Exercised({"router": ROUTED}, (Mechanism("router", "agreement", 0.4, None, 0.9, 0.4, 0.4),))
    assert idle_factor("routing", [idle, idle]) == ("router: agreement 1, exercised up to 0.9",)
    assert not idle_factor("routing", [idle, busy]) and not idle_factor("routing", [idle, Exercised()])
    assert not idle_factor("windowed", [idle]) and not idle_factor("of_a_plug_in", [idle]) and not idle_factor("x", [])


def test_a_difference_of_several_mechanisms_has_a_verdict_as_long_as_one_of_them_acted() -> None:
    def mechanism(slot: str, value: float) -> Mechanism:
        return Mechanism(slot, "agreement", value, None, 0.9, value, value)

    base = Exercised({"router": CHUNKS, "cluster": "a", "local": "same"})
    changed = {"router": ROUTED, "cluster": "b", "local": "same"}
    half = Exercised(changed, (mechanism("router", 1.0), mechanism("cluster", 0.5), mechanism("local", 1.0)))
    none = Exercised(changed, (mechanism("router", 1.0), mechanism("cluster", 1.0)))
    unknown = Exercised(changed, (mechanism("router", 1.0),))
    assert half.idle_against(base) and not half.idle_against(base, several=True)
    assert len(none.idle_against(base, several=True)) == 2 and not unknown.idle_against(base, several=True)


def test_the_table_shows_what_was_measured_and_no_column_where_nothing_was(tmp_path: Path) -> None:
    idle = "not exercised: router agreement 1"
    for value, shown in ((0.5, ["exercised: router agreement 0.5"]), (1.0, [idle]), (None, [])):
        rows = [] if value is None else [measured(value)]
        grid = watched_grid(tmp_path / str(value), {"base+routing": rows})
        (table,) = arms_table(type("Study", (), {"grids": (grid,)})())  # type: ignore[arg-type]
        entries = [row.entries[place] for row in table.rows for place, column in enumerate(table.columns)
                   if column.head == "mechanism"]  # fmt: skip
        assert [entry.text for entry in entries if entry.text] == shown
        assert [entry.raw for entry in entries if entry.raw] == ([{"router_agreement": value}] if shown else [])
        assert [column.in_csv_only for column in table.columns if column.head == "mechanism"] == [not shown]


def test_the_word_has_the_range_of_one_mechanism_and_the_means_of_several() -> None:
    """Of each slot the measure nearest to its limit: an update of twice the least, not an openness of ten times it."""
    router = Mechanism("router", "agreement", 0.8, None, 0.9, 0.56, 0.97)
    update = Mechanism("feedback", "update", 0.02, 0.01, None, 0.01, 0.03)
    openness = Mechanism("feedback", "openness", 0.2, 0.02, None, 0.1, 0.3)
    spread = Mechanism("router", "spread", 0.1, None, None, 0.1, 0.1)
    assert _exercised([router, spread]) == "exercised: router agreement 0.56 to 0.97"
    assert _exercised([router, update, openness]) == "exercised: feedback update 0.02, router agreement 0.8"
    assert _exercised([spread]) == "exercised" and _exercised([]) == ""


def test_layers_and_runs_are_averaged() -> None:
    told = [runs.result("a", seed, 0.5, telemetry=[measured(0.2 * seed), measured(1)]) for seed in (0, 1)]
    (found,) = exercised([Result.model_validate_json(json.dumps(one)) for one in told], {}).mechanisms
    assert found.mean == pytest.approx((0 + 1 + 0.2 + 1) / 4) and not found.is_idle
