"""``arms``: every arm of every grid and task with accuracy, difference to the base, size and cost; references below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..render.table import MISSING, Column, Entry, Row, Table, Value
from ..study.model import Arm, Contrast, GridStudy, Reference, Study
from ..words import plural, three
from . import table
from .cells import (
    BLANK,
    PARAMETERS,
    PROVENANCE,
    REFERENCES_NOTE,
    bounds,
    examples,
    flops,
    flops_column,
    mean,
    parameters,
    reasons,
    reference_accuracy,
    runs_of,
    title,
    verdict,
)

BATCHES = (1, 32)
SPLITS = ("train", "validation", "test")
Cells = tuple[Column, Callable[[Arm], Entry], Callable[[Reference], Entry]]


@table("arms")
def arms(study: Study) -> list[Table]:
    """One table per grid and task: ``NAME_grid``, with the task where a grid has several."""
    tasks = Counter(grid.folder for grid in study.grids)
    names = Counter(title(grid) for grid in study.grids)
    return [
        _table(
            grid,
            f"{grid.name}_{grid.task}" if tasks[grid.folder] > 1 else grid.name,
            f"{title(grid)} ({grid.folder.parent.name})" if names[title(grid)] > 1 else title(grid),
        )
        for grid in study.grids
    ]


def _table(grid: GridStudy, name: str, heading: str) -> Table:
    every = (*grid.arms, *grid.others)
    cells = _cells(grid, every)
    rows = [Row(tuple(of_arm(arm) for _, of_arm, _ in cells), ruled=number == len(grid.arms))
            for number, arm in enumerate(every)]  # fmt: skip
    kind = "arm"
    for reference in grid.references:
        entries = tuple(of_reference(reference) for _, _, of_reference in cells)
        rows.append(Row(entries, ruled=reference.kind != kind))
        kind = reference.kind
    return Table(name, heading, tuple(column for column, _, _ in cells), tuple(rows), grid.warnings,
                 (*_notes(grid, every), *grid.notes))  # fmt: skip


def _cells(grid: GridStudy, every: tuple[Arm, ...]) -> list[Cells]:
    """Every column with its entries; what is the same in all arms is left to the notes, and here to the CSV."""
    size = flops_column(arm.size for arm in every)
    found = {arm.name: _difference_of(grid, arm) for arm in grid.arms}
    decided = any(contrast and contrast.verdict for contrast in found.values())
    runs = runs_of(every)
    return [
        (Column("arm", is_code=True), partial(_name, grid), partial(_reference_name, grid)),
        (Column("test accuracy, %"), _accuracy, _reference_accuracy),
        (Column("n"), _count, examples),
        (Column("difference to base, points"), partial(_difference, grid, found), _blank),
        (Column("verdict", in_csv_only=not decided), partial(_verdict, grid, found), _blank),
        (PARAMETERS, lambda arm: parameters(arm.size), _blank),
        (size, lambda arm: flops(arm.size, size), _blank),
        *((_latency_column(every, batch), partial(_latency, every, batch), _blank) for batch in BATCHES),
        (Column("config key", is_code=True), _key, _blank),
        *(
            (Column(head, True, in_csv_only=runs[key].nunique() < 2), partial(_of_runs, key), partial(_data, key))
            for key, head in PROVENANCE.items()
        ),
        (Column("further measures", in_csv_only=True), _measures, _detail),
    ]  # fmt: skip


def _blank(_: Reference) -> Entry:
    return BLANK


def _name(grid: GridStudy, arm: Arm) -> Entry:
    raw: dict[str, Value] = {"grid": grid.name, "task": grid.task, "kind": "arm", "name": arm.name}
    return Entry(arm.name, {**raw, "variant": arm.variant, "is_base": arm.is_base}, arm.sources)


def _reference_name(grid: GridStudy, reference: Reference) -> Entry:
    raw: dict[str, Value] = {"grid": grid.name, "task": grid.task, "kind": reference.kind, "name": reference.name}
    return Entry(f"{reference.name} ({reference.kind})", {**raw, "variant": "", "is_base": False}, reference.sources)


def _accuracy(arm: Arm) -> Entry:
    entry = mean("accuracy", arm.accuracy, arm.sources)
    return replace(entry, raw={**entry.raw, "accuracy_interval": "over seeds"})


def _reference_accuracy(reference: Reference) -> Entry:
    entry = reference_accuracy(reference)
    return replace(entry, raw={**entry.raw, "accuracy_interval": "over examples"})


def _count(arm: Arm) -> Entry:
    text = plural(arm.n, "seed") if arm.n >= arm.planned else f"{arm.n} of {plural(arm.planned, 'seed')}"
    return Entry(text, {"seeds": " ".join(map(str, arm.seeds)), "n": arm.n}, arm.sources)


def _difference_of(grid: GridStudy, arm: Arm) -> Contrast | None:
    return grid.contrast("difference", arm.name, grid.base) if grid.base else None


def _difference(grid: GridStudy, found: dict[str, Contrast | None], arm: Arm) -> Entry:
    contrast = None if arm.unlike else found.get(arm.name)
    raw = {**bounds("difference", contrast.interval if contrast else None), "pairs": contrast.n if contrast else None}
    if arm.is_base or contrast is None:
        return Entry("base" if arm.is_base else MISSING, raw)
    return Entry(mean("", contrast.interval, (), "+").text, raw, contrast.sources)


def _verdict(grid: GridStudy, found: dict[str, Contrast | None], arm: Arm) -> Entry:
    contrast = None if arm.unlike else found.get(arm.name)
    return verdict(contrast) if contrast else Entry("", {"verdict": None, "reason": None})


def _latency_column(every: tuple[Arm, ...], batch: int) -> Column:
    lengths = {arm.speeds[batch].length for arm in every if batch in arm.speeds}
    where = f", length {min(lengths)}" if len(lengths) == 1 else ""
    return Column(f"batch {batch}{where}, ms (p95)")


def _latency(every: tuple[Arm, ...], batch: int, arm: Arm) -> Entry:
    keys, speed = ("median_s", "p95_s", "length", "share_of_limit"), arm.speeds.get(batch)
    raw = {f"latency_b{batch}_{key}": getattr(speed, key) if speed else None for key in keys}
    if speed is None:
        return Entry(MISSING, raw)
    several = len({other.speeds[batch].length for other in every if batch in other.speeds}) > 1
    text = f"{three(1e3 * speed.median_s)} ({three(1e3 * speed.p95_s)})" + (f" @ {speed.length}" if several else "")
    return Entry(text, raw, tuple(dict.fromkeys((*speed.sources, *arm.sources))))


def _key(arm: Arm) -> Entry:
    return Entry(arm.run_key or MISSING, {"run_key": arm.run_key}, arm.sources)


def _of_runs(key: str, arm: Arm) -> Entry:
    value = "; ".join(sorted(set(arm.runs[key]))) if arm.n else ""
    return Entry(value or MISSING, {key: value}, arm.sources)


def _data(key: str, reference: Reference) -> Entry:
    return Entry("", {key: reference.data_key if key == "data_key" else ""}, reference.sources)


def _measures(arm: Arm) -> Entry:
    raw: dict[str, Value] = {name: value for name, value in arm.means.items() if name != "accuracy"}
    if arm.n:
        keys = ("test_examples", *(f"truncated_{split}" for split in SPLITS))
        raw |= {key: int(arm.runs[key].iloc[0]) for key in keys}
    return Entry("", raw, arm.sources)


def _detail(reference: Reference) -> Entry:
    return Entry("", {"detail": reference.detail}, reference.sources)


def _notes(grid: GridStudy, every: tuple[Arm, ...]) -> list[str]:
    contrasts = [contrast for arm in grid.arms if (contrast := _difference_of(grid, arm))]
    parts = (_meaning(grid), *reasons(contrasts), *_references(grid), grid.timing, _cut(every))
    return [part for part in parts if part]


def _meaning(grid: GridStudy) -> str:
    base = f" Differences are to {grid.base}, paired by seed." if grid.base else " No base is named."
    return (
        f"Arms: mean [95 % interval] over seeds (n).{base} FLOPs: forward pass of one example, multiply-adds × 2, at "
        "the padded length. Seconds: median (p95) of a forward pass of the model on a whole batch. —: not measured."
    )


def _references(grid: GridStudy) -> list[str]:
    if not grid.references:
        return []
    details = [f"{one.name}: {one.detail}" for one in grid.references if one.detail]
    left_out = [f"Left out: {'; '.join(grid.left_out)}."] if grid.left_out else []
    return [REFERENCES_NOTE, *([f"{'; '.join(details)}."] if details else []), *left_out]


def _cut(every: tuple[Arm, ...]) -> str:
    runs = runs_of(every)
    if not len(runs):
        return ""
    most = {split: int(runs[f"truncated_{split}"].max()) for split in SPLITS}
    if not any(most.values()):
        return ""
    return f"Examples cut at the length limit (most in any run): {', '.join(f'{k} {v:,}' for k, v in most.items())}."
