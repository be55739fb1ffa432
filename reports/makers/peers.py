"""Peers, the original, base and enhanced models, and the best arm of a fraction, above the floors of their data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import Field

from ..definition import Definition
from ..evidence import Evidence
from ..schema import FACTORIALS
from ..sheet import MISSING, Column, Entry, Sheet
from ..statistics.independent import independent_difference
from ..statistics.interval import mean_interval
from ..view import ACCURACY, View, provenance_note, view
from .entries import BLANK, FLOORS_NOTE, PARAMETERS, flops_entries, label, mean, missing, parameters, points, seeds
from .floors import Line, best_floor, lines_on
from .options import Options, is_named, read_options


class PeersOptions(Options):
    """Variants, each with its editions (``original`` is ``original_small`` too): peers, and ours."""

    peers: tuple[str, ...] = Field(min_length=1)
    ours: tuple[str, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Shown:
    """An arm and why it is shown."""

    seen: View
    arm: str
    role: str
    chosen_from: tuple[str, ...] = ()
    """Runs without which another arm might stand here."""


def peers(evidence: Evidence, definition: Definition) -> list[Sheet]:
    """One sheet per task, in sections of what was measured on the same data."""
    options = read_options(definition, PeersOptions)
    seen = [view(evidence, grid) for grid in evidence.grids]
    tasks = sorted({one.task for one in seen})
    sheets = [_sheet(evidence, definition, task, [one for one in seen if one.task == task], options) for task in tasks]
    return [sheet for sheet in sheets if sheet is not None]


def _sheet(
    evidence: Evidence, definition: Definition, task: str, seen: Sequence[View], options: PeersOptions
) -> Sheet | None:
    shown = [one for of_grid in seen for one in _shown(of_grid, options)]
    if not shown:
        return None
    head, flops = flops_entries([one.seen.sizes(one.arm) for one in shown])
    flops_of = {(one.seen.grid.folder, one.arm): entry for one, entry in zip(shown, flops, strict=True)}
    rows: list[tuple[Entry, ...]] = []
    rules: set[int] = set()
    for key in dict.fromkeys(one.seen.data_key for one in shown):
        lines = lines_on(evidence, task, key)
        best, rules = best_floor(lines), rules | {len(rows)}
        of_data = [one for one in shown if one.seen.data_key == key]
        rows += [_row(one, best, flops_of[one.seen.grid.folder, one.arm]) for one in of_data]
        rules |= {len(rows)} if lines else set()
        rows += [_floor_row(line, best) for line in lines]
    used = [one for one in seen if any(each.seen is one for each in shown)]
    return Sheet(
        name=f"{definition.name}_{task}",
        title=f"{definition.title}: task {task}",
        columns=_columns(head),
        rows=tuple(rows),
        rules=frozenset(rules - {0}),
        warnings=tuple(f"Grid {one.grid.name}: {said}" for one in used for said in one.warnings),
        notes=(*_notes(rows), *(f"Grid {one.grid.name}: {provenance_note(one)}" for one in used)),
    )


def _shown(seen: View, options: PeersOptions) -> list[Shown]:
    """Arms in the plan's order: those that the options name, and the best of each factorial."""
    best = {arm: (role, runs) for arm, role, runs in _best(seen)}
    found = []
    for arm in seen.arms:
        variant = seen.variant(arm)
        named = "peer" if is_named(variant, options.peers) else "ours" if is_named(variant, options.ours) else ""
        chosen, runs = best.get(arm, ("", ()))
        role = ", ".join(word for word in (named, chosen) if word)
        found += [Shown(seen, arm, role, () if named else runs)] if role else []
    return found


def _best(seen: View) -> list[tuple[str, str, tuple[str, ...]]]:
    """The arm of each factorial with the highest mean accuracy on the validation split, which the test does not see.

    With it what it is, and the runs that it was chosen from.
    """
    designs = seen.grid.plan.designs if seen.grid.plan else ()
    found = []
    for design in (design for design in designs if design.kind in FACTORIALS):
        means = seen.of(*design.levels).groupby("arm", sort=True)["validation_accuracy"].mean()
        if len(means):
            role = f"best of {len(design.levels)} by validation"
            found.append((str(means.idxmax()), role, seen.sources(*design.levels)))
    return found


def _columns(flops: Column) -> tuple[Column, ...]:
    return (
        Column(("grid",)),
        Column(("arm",), is_code=True),
        Column(("role",)),
        Column(("n",)),
        Column(("validation", "accuracy, %")),
        Column(("test accuracy, %", "(95 % interval)")),
        Column(("difference to the best floor,", "points (95 % interval)")),
        PARAMETERS,
        flops,
    )


def _row(one: Shown, best: Line | None, flops: Entry) -> tuple[Entry, ...]:
    seen, arm = one.seen, one.arm
    sources = seen.sources(arm)
    accuracy = mean_interval(seen.of(arm)[ACCURACY].tolist())
    validation = mean_interval(seen.of(arm)["validation_accuracy"].tolist())
    if accuracy is None or best is None:
        difference = missing("difference", "difference_low", "difference_high")
    else:
        difference = points("difference", independent_difference(accuracy, best.interval), (*sources, best.source))
    row = (
        label("grid", seen.grid.name), label("arm", arm), label("role", one.role), seeds(seen, arm),
        mean("validation_accuracy", validation, sources), mean(ACCURACY, accuracy, sources), difference,
        parameters(seen.sizes(arm)), flops,
    )  # fmt: skip
    return tuple(replace(entry, sources=tuple(dict.fromkeys((*entry.sources, *one.chosen_from)))) for entry in row)


def _floor_row(line: Line, best: Line | None) -> tuple[Entry, ...]:
    role = f"best {line.floor.kind}" if line is best else line.floor.kind
    return (
        BLANK, label("arm", line.name), label("role", role), line.examples, BLANK, line.accuracy, BLANK, BLANK, BLANK,
    )  # fmt: skip


def _notes(rows: Sequence[Sequence[Entry]]) -> list[str]:
    said = [
        "Arms: mean ± 95 % Student-t interval over seeds (n). Rows between two rules were measured on the same data; "
        "other grids may have trained otherwise. The best arm of a fraction is chosen by accuracy on the validation "
        "split; the test split had no say.",
        f"{FLOORS_NOTE} Difference to the best floor (the best on the test split, which is in its favour): interval "
        "from those of the two, taken as independent; they share the examples, so it is rather too wide.",
    ]
    if any(entry.text == MISSING for row in rows for entry in row):
        said.append(f"{MISSING}: not measured; a difference is missing too where no floor was measured on that data.")
    return said
