"""``tuning``: what was tried for every arm before the seeds that count, what was chosen, and how much that mattered."""

from __future__ import annotations

from collections.abc import Iterator

from swarmformer.records import TUNING, Tried

from ..render.table import MISSING, Column, Entry, Row, Table, Value
from ..study.model import GridStudy, Study
from ..study.tuning import Tuned, loss_words
from ..words import percent
from . import layout, table

CHOSEN, EDGE = "chosen", "chosen, at the edge"


@table("tuning")
def tuning(study: Study) -> list[Table]:
    """Two tables per grid that was tuned: the trials, and the expected best of k of them."""
    return [made for grid in study.grids if grid.tuned for made in (_trials(grid), _expected(grid))]


def _trials(grid: GridStudy) -> Table:
    options = list(grid.tuned[0].tried[0].values)
    heads = ["arm", *options, "validation, %", "choice", "to the chosen, points", "seeds", "failed"]
    columns = tuple(Column(head, is_code=not place) for place, head in enumerate(heads))
    rows = tuple(row for tuned in grid.tuned for row in _rows(grid, tuned))
    notes = (*_steps(grid), *_ties(grid), *grid.notes)
    return Table(grid.name, layout.title(grid), columns, rows, grid.warnings, notes)


def _rows(grid: GridStudy, tuned: Tuned) -> Iterator[Row]:
    for place, tried in enumerate(tuned.tried):
        sources = (f"{grid.folder.name}/{TUNING}#{tuned.arm}",)
        values = [Entry(str(value), {option: _raw(value)}, sources) for option, value in tried.values.items()]
        mark = "" if tried is not tuned.chosen else EDGE if tuned.edges else CHOSEN
        entries = (
            Entry(tuned.arm, {"arm": tuned.arm}, sources),
            *values,
            _share("validation", tried.score, sources),
            Entry(mark, {"chosen": bool(mark), "edge": ", ".join(tuned.edges) if mark else None}, sources),
            _less(tuned, tried, sources),
            Entry(str(len(tried.trials)), {"trials": len(tried.trials)}, sources),
            Entry("yes" if tried.reasons else "", {"reason": "; ".join(tried.reasons) or None}, sources),
        )
        failed = tuple(f"seed {trial.seed} failed: {trial.reason}" for trial in tried.trials if trial.reason)
        yield Row(entries, ruled=not place, detail=failed)


def _less(tuned: Tuned, tried: Tried, sources: tuple[str, ...]) -> Entry:
    if tried.score is None or tuned.chosen is None or tuned.chosen.score is None:
        return layout.missing("difference", sources=sources)
    less = tried.score - tuned.chosen.score
    return Entry("" if tried is tuned.chosen else percent(less, "+"), {"difference": less}, sources)


def _share(key: str, share: float | None, sources: tuple[str, ...]) -> Entry:
    return Entry(MISSING if share is None else percent(share), {key: share}, sources)


def _raw(value: object) -> Value:
    return value if isinstance(value, str | int | float) else str(value)


def _steps(grid: GridStudy) -> list[str]:
    """How flat the optimum is."""
    steps = [f"{one.arm}: {', '.join(map(loss_words, one.neighbours))}" for one in grid.tuned if one.neighbours]
    return [f"What one step from the chosen value changes, in points: {'; '.join(steps)}."] if steps else []


def _ties(grid: GridStudy) -> list[str]:
    tied = [f"{one.arm} (with {one.tied} more)" for one in grid.tuned if one.tied]
    return [f"Tied in score, decided by the lower validation loss, then by order: {'; '.join(tied)}."] if tied else []


def _expected(grid: GridStudy) -> Table:
    """A column for every number of trials."""
    most = max(len(one.expected) for one in grid.tuned)
    columns = (Column("arm", is_code=True), *(Column(f"best of {k}, %") for k in range(1, most + 1)))
    rows = []
    for one in grid.tuned:
        sources = (f"{grid.folder.name}/{TUNING}#{one.arm}",)
        shares = [_share(f"best_of_{k}", value, sources) for k, value in enumerate(one.expected, 1)]
        rows.append(Row((Entry(one.arm, {"arm": one.arm}, sources), *shares)))
    notes = (
        "Expected validation score of the best of k trials (Dodge et al. 2019), drawn with replacement from the scores "
        "of the table before, so that as many as were tried expect less than the best. They are points of a grid, not "
        "drawn at random. A trial that failed counts as 0.",
    )
    heading = f"{layout.title(grid)}: expected validation performance"
    return Table(f"{grid.name}_expected", heading, columns, tuple(rows), (), notes)
