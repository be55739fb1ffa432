"""How a table about arms is laid out: lines, columns of cells, and the words that entries share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..render.table import MISSING, Column, Entry, Row, Value
from ..statistics.interval import Interval
from ..statistics.verdict import NO_MARGIN
from ..study.contrasts import Contrast, Family
from ..study.model import GridStudy
from ..study.subjects import Arm, Reference, Sources
from ..study.tuning import untuned_notes
from ..words import p_value, plural, with_bounds

BLANK = Entry("")
METRICS = {"accuracy": "test accuracy", "f1": "test F1"}


@dataclass(frozen=True)
class Line:
    """What a row is about: an arm or a reference of a grid, what it is compared by, and why it is shown.

    also: sources that every entry has too, as another arm might stand here without them.
    """

    grid: GridStudy
    arm: Arm | None = None
    reference: Reference | None = None
    contrast: Contrast | None = None
    family: Family | None = None
    role: str = ""
    also: Sources = ()
    ruled: bool = False

    @property
    def name(self) -> str:
        return next((shown.name for shown in (self.arm, self.reference) if shown), "")

    @property
    def sources(self) -> Sources:
        return next((shown.sources for shown in (self.arm, self.reference) if shown), ())


@dataclass(frozen=True)
class Cells:
    """A column and its entries. hidden: left to the CSV where all rows have the same text, where none has any, or
    always. ``{metric}`` in a head is what the grid decides by."""

    head: str
    entry: Callable[[Line], Entry]
    is_code: bool = False
    hidden: Literal["same", "empty", "always"] | None = None

    def column(self, lines: Sequence[Line], entries: Iterable[Entry]) -> Column:
        texts = {entry.text for entry in entries} - {"", MISSING}
        is_hidden = {"same": len(texts) < 2, "empty": not texts, "always": True}.get(self.hidden or "", False)
        return Column(self.head.format(metric=METRICS[lines[0].grid.metric]), self.is_code, is_hidden)


def cells(head: str, **how: Any) -> Callable[[Callable[[Line], Entry]], Cells]:
    """A column of entries that a function gives."""
    return lambda entry: Cells(head, entry, **how)


def word(head: str, of: Callable[[Line], str | None], **how: Any) -> Cells:
    """A column of words, in the CSV under its head."""
    return Cells(head, lambda line: Entry(of(line) or "", {head: of(line) or None}), **how)


def laid_out(lines: Sequence[Line], shown: Sequence[Cells]) -> tuple[tuple[Column, ...], tuple[Row, ...]]:
    """Columns and rows."""
    grid = [[_with(each.entry(line), line.also) for each in shown] for line in lines]
    columns = [each.column(lines, (row[place] for row in grid)) for place, each in enumerate(shown)]
    rows = [Row(tuple(row), ruled=line.ruled) for line, row in zip(lines, grid, strict=True)]
    return tuple(columns), tuple(rows)


def _with(entry: Entry, also: Sources) -> Entry:
    return replace(entry, sources=tuple(dict.fromkeys((*entry.sources, *also)))) if also else entry


def title(grid: GridStudy) -> str:
    return f"grid {grid.name}, task {grid.task}"


def reference_lines(grid: GridStudy, *, on_its_data: bool = True) -> list[Line]:
    """Baselines, then oracles; a line parts them from what is above, and from each other."""
    shown = [one for one in grid.references if one.data_key == grid.data_key or not on_its_data]
    kinds = ["arm", *(one.kind for one in shown)]
    return [
        Line(grid, reference=one, role=f"best {one.kind}" if one is grid.best_baseline else one.kind,
             ruled=kinds[place] != one.kind)
        for place, one in enumerate(shown)
    ]  # fmt: skip


def missing(*keys: str, sources: Sources = ()) -> Entry:
    """What was asked for and is not there: ``—``, and empty values under these CSV columns."""
    return Entry(MISSING, dict.fromkeys(keys), sources)


def bounds(key: str, interval: Interval | None) -> dict[str, Value]:
    """Raw values of a mean and its interval."""
    values = (interval.mean, interval.low, interval.high) if interval else (None, None, None)
    return dict(zip((key, f"{key}_low", f"{key}_high"), values, strict=True))


def mean(key: str, interval: Interval | None, sources: Sources, sign: str = "") -> Entry:
    """A mean, or with ``sign`` a difference, and its interval: ``81.19 [80.70, 81.67]``."""
    return Entry(MISSING if interval is None else with_bounds(interval, sign), bounds(key, interval), sources)


def probability(key: str, p: float | None, sources: Sources) -> Entry:
    return missing(key, sources=sources) if p is None else Entry(p_value(p), {key: p}, sources)


def said(contrast: Contrast) -> Entry:
    """The contrast's own verdict; missing where no margin was registered."""
    verdict = None if contrast.verdict is None else str(contrast.verdict)
    return Entry(verdict or MISSING, {"verdict": verdict, "reason": contrast.reason}, contrast.sources)


def reasons(contrasts: Iterable[Contrast]) -> list[str]:
    """What the verdicts rest on, without aliases: ``Undecided (interval holds zero and passes the margin): a, b.`` And
    why there is none, if that is not for want of a margin."""
    named: dict[tuple[str, str], list[str]] = {}
    for contrast in contrasts:
        reason = contrast.reason.partition("; not told from")[0]
        if reason and reason != NO_MARGIN:
            named.setdefault((str(contrast.verdict or "no verdict"), reason), []).append(contrast.name)
    return [f"{verdict.capitalize()} ({reason}): {', '.join(names)}." for (verdict, reason), names in named.items()]


def named_grid(grid: GridStudy, lines: Iterable[str]) -> list[str]:
    """Sentences about a grid in a table of several."""
    return [line if line.startswith(f"Grid {grid.name}") else f"Grid {grid.name}: {line}" for line in lines]


def learning_rates(grids: Sequence[GridStudy]) -> list[str]:
    """Of a table over many grids, a sentence a kind: rates that were chosen at the edge of what was tried, or shared
    without having been chosen."""
    edges = [(grid.name, sum(bool(one.edges) for one in grid.tuned), len(grid.tuned)) for grid in grids]
    at_edge = ", ".join(f"{name} ({count} of {plural(every, 'arm')})" for name, count, every in edges if count)
    untuned = ", ".join(grid.name for grid in grids if not grid.tuned and any(untuned_notes(grid.cells)))
    said = {
        "Chosen at the edge of what was tried, so that a better value may lie beyond": at_edge,
        "Not tuned, arms share a learning rate that was not chosen for each of them": untuned,
    }
    return [f"{what}: {names}." for what, names in said.items() if names]


def folded(grids: Sequence[GridStudy]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of a table over many grids: how many runs are missing, in one warning, and what else the grids warn of, as notes
    below the table."""
    counts = [(grid.name, sum(grid.counts.values()) - grid.counts.get("COMPLETED", 0), sum(grid.counts.values()))
              for grid in grids]  # fmt: skip
    missing = "; ".join(f"{gone} of {planned} runs of {name}" for name, gone, planned in counts if gone)
    warning = f"Missing: {missing}. What is to be known of these and other grids stands below the table."
    return (warning,) if missing else (), tuple(said for grid in grids for said in named_grid(grid, grid.warnings))
