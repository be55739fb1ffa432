"""``benchmark``: published figures of a benchmark, model by model, and below them what our grids of its tasks found."""

from __future__ import annotations

from ..published import Number, read_published
from ..render.table import Column, Entry, Row, Table
from ..study.model import GridStudy, Study
from . import table
from .layout import mean, missing, named_grid


@table("benchmark")
def benchmark(study: Study, *, document: str, quantities: dict[str, str], grids: dict[str, str]) -> list[Table]:
    """One table; none where the study has no grid of the benchmark.

    document: of published.yaml, whose models are shown. quantities: of it, in order → head of their column. grids:
    quantity → name of the grid at the benchmark's own sizes; of others nothing is shown. Raises ReportError where
    published.yaml cannot be read.
    """
    ours = {quantity: grid for quantity, name in grids.items() for grid in study.grids if grid.name == name}
    if not ours:
        return []
    known = read_published()
    shown = [number for number in known.numbers if number.document == document and number.quantity in quantities]
    models = dict.fromkeys(number.model for number in shown)
    rows = [_published(model, [one for one in shown if one.model == model], quantities) for model in models]
    arms = dict.fromkeys(arm.name for grid in ours.values() for arm in grid.arms)
    rows += [_ours(arm, ours, quantities, ruled=not place) for place, arm in enumerate(arms)]
    warnings, notes = ([said for grid in ours.values() for said in named_grid(grid, getattr(grid, part))]
                       for part in ("warnings", "notes"))  # fmt: skip
    columns = (Column("model", is_code=True), Column("of"), *(Column(head) for head in quantities.values()))
    source = f"Published: {known.documents[document].title}."
    return [Table("", "", columns, tuple(rows), tuple(warnings), (source, *notes))]


def _published(model: str, numbers: list[Number], quantities: dict[str, str]) -> Row:
    by_name = {number.quantity: number for number in numbers}
    entries = [
        Entry(f"{number.value:.{number.digits}f}", {name: number.plain, f"{name}_low": None, f"{name}_high": None},
              (number.source,)) if (number := by_name.get(name)) else missing(name, f"{name}_low", f"{name}_high")
        for name in quantities
    ]  # fmt: skip
    return Row((Entry(model, {"model": model}), Entry("published", {"of": "published"}), *entries))


def _ours(name: str, grids: dict[str, GridStudy], quantities: dict[str, str], *, ruled: bool) -> Row:
    entries = []
    for quantity in quantities:
        arm = grids[quantity].arm(name) if quantity in grids else None
        entries.append(mean(quantity, arm.accuracy if arm else None, arm.sources if arm else ()))
    return Row((Entry(name, {"model": name}), Entry("ours", {"of": "ours"}), *entries), ruled=ruled)
