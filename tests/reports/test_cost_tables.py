"""Reports on cost: every measurement is shown, figures above physics are refused, nothing is read by halves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from experiments.measure.measured import CostArm, arm_at
from reports.cost import FOLDER, main, written
from reports.errors import ReportError
from reports.measured import read_scaling
from reports.profile import profiled
from reports.render import table_lines
from swarmformer.cost.parts import count_parameters
from swarmformer.records import Profile
from swarmformer.variants import load_variant
from tests.reports.synthetic_measurements import begun, least_time, scaling, scaling_row, timing

LENGTHS = (256, 768, 4096, 16384)


def bounded(value: float, half: float | None = None) -> dict[str, float | None]:
    low, high = (None, None) if half is None else (value - half, value + half)
    return {"value": value, "low": low, "high": high}


def point(variant: str, length: int, flops: int, of_first: float) -> dict[str, Any]:
    return {**scaling_row(variant, length, flops, 0.1), "of_first": bounded(of_first, 0.05)}


def growth(ratios: list[float], seconds: list[float], order: int = 1) -> dict[str, Any]:
    """``base`` with FLOPs of this order, and ``other`` with these ratios to it at ``LENGTHS``."""
    rows = []
    for length, ratio, second in zip(LENGTHS, ratios, seconds, strict=True):
        base = 1000 * length**order
        rows += [point("base", length, base, 1.0), point("other", length, round(base * ratio), second)]
    fits = {kind: bounded(1.0) for kind in ("flops", "seconds", "memory")}
    gaps = [{"variant": "third", "length": 16384, "reason": "needs more memory"}]
    return scaling(*rows, missing=gaps, growth=[{"variant": "base", "lengths": list(LENGTHS), **fits}])


def speed(share: float = 0.7) -> dict[str, Any]:
    figure = {"figure": "eval", "reference": "published", "ours": "fast", "ratio": 2.5, "ratio_p20": 2.4,
              "ratio_p80": 2.6, "rounds": 5, "least": 2.0, "aim": 3.0, "growth": False, "reached": True}  # fmt: skip
    arm = {"group": "Base", "arm": "fast", "texts": 256, "precision": "fp32", "flops": 10, "seconds": [2.0] * 5,
           **timing(2.0), "share_of_ceiling": share}  # fmt: skip
    ceilings = {"fp32": {"matmul_flops_per_s": 2e11, "copy_bytes_per_s": 1e10}}
    head = {"schema": 1, "machine": {}, "device": "cpu", "threads": 2, "allocator": "as it comes"}
    head |= begun("abc")
    return {**head, "figures": [figure], "arms": [arm], "ceilings": ceilings, "grid": None, "missing": []}


def evidence(folder: Path, **changes: Any) -> Path:
    contents = {
        "figures/figures.json": speed(),
        "scaling/costs.json": growth([0.5] * 4, [0.5] * 4), **changes,
    }  # fmt: skip
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    return folder


def cells(page: str, table: str, row: int) -> list[str]:
    _, _, *rows = table_lines(page, table)
    return [cell.strip() for cell in rows[row].strip("|").split("|")]


def test_all_tables_are_written(tmp_path: Path) -> None:
    assert main([str(evidence(tmp_path))]) == 0
    text = (tmp_path / "cost.md").read_text()
    assert cells(text, "speed", 0) == ["eval", "fast / published", "2", "3", "2.50 (2.40 to 2.60)", "", "5"]
    assert cells(text, "seconds_figures", 0)[-1] == "70 %" and "code abc" in text
    assert "Missing: third at 16,384 tokens: needs more memory." in text


def test_texts_in_pieces_stand_against_their_shortest(tmp_path: Path) -> None:
    rows = [
        {**point("base", length, 1000 * length, 1.0), "median_s": length / 1000, "cpu_us_per_token": cost,
         "peak_bytes": 3 * 2**30, "growth_bytes": 512 * length, "piece": 4096, "load_average": [0.5, 2]}
        for length, cost in ((16384, 10.0), (10**7, 12.5))
    ]  # fmt: skip
    long = {**growth([0.5] * 4, [0.5] * 4), "rows": rows, **begun("def")}
    evidence(tmp_path, **{"scaling_long/costs.json": long})
    text = written(tmp_path)[tmp_path / "cost.md"]
    first, last = (cells(text, "long", row) for row in (0, 1))
    assert first == ["16,384", "base", "16.4", "5", "1,000", "10", "1.00", "3.00", "512"]
    assert last == ["10,000,000", "base", "10,000", "5", "1,000", "12.5", "1.25", "3.00", "512"]
    assert "base at 10,000,000 0.5, 2.0" in text and "code def" in text and "Missing: third at 16,384 tokens" in text


def test_what_was_not_measured_is_shown_as_missing(tmp_path: Path) -> None:
    rows = [{**point("base", length, 1000 * length, 1.0), "piece": 4096} for length in (16384, 10**7)]
    long = growth([0.5] * 4, [0.5] * 4)
    long |= {"rows": rows, "growth": [{**fit, "memory": None} for fit in long["growth"]]}
    evidence(tmp_path, **{"scaling_long/costs.json": long})
    text = written(tmp_path)[tmp_path / "cost.md"]
    last = cells(text, "long", 1)
    assert last[5:7] == ["—", "—"], "processor time"
    assert re.search(r"^\| `base` .* — +\|$", text, re.MULTILINE), "exponent of memory"


def gpu(share: float = 0.05) -> dict[str, Any]:
    case = {"variant": "original_base", "mode": "forward", "computes_in": "bf16", "way": "eager", "batch": 256,
            "length": 768}  # fmt: skip
    forward = {**case, **least_time(10, share), **timing(0.0165, 3), "compile_s": None, "stated_s": 0.00483,
               "stated_bytes": 9.13e9, "peak_bytes": 1_690_000_000, "epoch_s": None}  # fmt: skip
    training = {**forward, "mode": "training", "batch": 48, "stated_s": None, "epoch_s": 11.04, "load_average": [1, 5]}
    limits = {"matmul_flops_per_s": 7.9e14, "copy_bytes_per_s": 3e12, "best_product": [8192] * 3, "precision": "bf16"}
    card = {"type": "cuda", "name": "a card", "driver": "580", "cuda": "13.0", "matmul_precision": "none"}
    gap = {**case, "mode": "training", "computes_in": "fp32", "way": "compiled", "reason": "full"}
    head = {"schema": 1, "machine": {}, "device": "cuda", "gpu": card, "limits": {"bf16": limits}, **begun("abc")}
    rows = [forward, {**forward, "way": "compiled", "share_of_ceiling": 0.01}, training]
    return {**head, "rows": rows, "missing": [gap]}


def test_figures_of_a_gpu_stand_beside_what_was_stated(tmp_path: Path) -> None:
    evidence(tmp_path, **{"gpu/gpu.json": {**gpu(), **begun("def", packages={"torch": "2.11.0"})}})
    text = written(tmp_path)[tmp_path / "cost.md"]
    first, last = (cells(text, "gpu", row) for row in (0, 2))
    assert first[5:] == ["16.50", "14.85 to 18.15", "3", "4.83", "1.69", "9.13", "—", "5 %"]
    assert last[1:3] == ["training", "48 × 768"] and last[8] == last[10] == "—" and last[11] == "11.0"
    assert "training, fp32, compiled: full." in text
    assert "a card, driver 580, CUDA 13.0; limits measured: bf16 790 TFLOP/s and 3.0 TB/s" in text
    assert "load average of the host 0.1 to 5.0; code def, PyTorch 2.11.0." in text
    assert "Compiled: through torch.compile." in text and "Captured" not in text, "no row is captured"


@pytest.mark.parametrize("name, content", [("figures/figures.json", speed(share=1.2)), ("gpu/gpu.json", gpu(1.2))])
def test_an_arm_above_physics_stops_the_report(tmp_path: Path, name: str, content: dict[str, Any]) -> None:
    evidence(tmp_path, **{name: content})
    with pytest.raises(ReportError, match="faster than its machine"):
        written(tmp_path)


def test_half_a_measurement_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1 and "needs a scaling/" in capsys.readouterr().err
    evidence(tmp_path, **{"scaling/costs.json": {**growth([1.0] * 4, [1.0] * 4), "rows": [{"variant": "base"}]}})
    assert main([str(tmp_path)]) == 1 and "rows.0" in capsys.readouterr().err


def test_committed_parameters_are_those_of_the_variants() -> None:
    forward, training = (read_scaling(FOLDER / mode) for mode in ("scaling", "scaling_training"))
    longest = [row for row in forward.rows if row.length == max(LENGTHS)]
    assert training.rows and longest
    for row in training.rows:
        same = forward.at(row.variant, row.length)
        assert same is not None and same.parameters == row.parameters
    for row in longest:  # positions and all
        arm = arm_at(load_variant(row.variant), row.length)
        assert isinstance(arm, CostArm)
        assert count_parameters(arm.build_without_weights()).model_dump() == row.parameters.model_dump(), row.variant


def test_a_profile_tells_shares_of_the_operators_time() -> None:
    names = {"aten::addmm": 0.06, "aten::mm": 0.02, "aten::gelu": 0.019, "aten::view": 0.001}
    times = [{"operator": name, "seconds": seconds, "calls": 2.0} for name, seconds in names.items()]
    step = {"variant": "base", "width": 64, "threads": 1, "batch": 64, "length": 256, "steps": 5, "seconds": 0.1,
            "profiled_s": 0.125, "operators": times}  # fmt: skip
    other = {**step, "variant": "base+windowed", "threads": 2, "operators": times[:1]}
    found = {"schema": 1, "start": begun("abc")["start"], "device": "cpu", "allocator": "kept", "rows": [step, other]}
    table = profiled(Profile.model_validate_json(json.dumps(found)))
    cells = {row.entries[0].text: [entry.text for entry in row.entries[1:]] for row in table.rows}
    assert [column.head for column in table.columns] == [
        "operator", "base, 64 wide, 1 thread", "base+windowed, 64 wide, 2 threads",
    ]  # fmt: skip
    assert list(cells)[:4] == ["aten::addmm", "aten::mm", "aten::gelu", "operators with less"]
    assert cells["aten::addmm"] == ["60.0", "100.0"] and cells["operators with less"] == ["1.0", ""]
    assert cells["matrix products together"] == ["80.0", "100.0"]
    assert cells["between operators, of the step"] == ["20.0", "52.0"]
    assert cells["a step, ms"] == ["100", "100"] and cells["thousand tokens a second"] == ["163.8", "163.8"]
