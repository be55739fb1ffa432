"""The arms of a factorial with their levels, above the floors of their data."""

from __future__ import annotations

from ..evidence import Evidence
from ..schema import Design
from ..sheet import Column, Entry, Sheet
from ..view import View, provenance_note
from .entries import BLANK, FLOORS_NOTE, PARAMETERS, flops_entries, label, mean, parameters, seeds
from .floors import Line, lines_on

ON, OFF = "●", "○"


def arms_sheet(evidence: Evidence, seen: View, design: Design, name: str, title: str) -> Sheet:
    """One row per arm, then the floors and ceilings that were measured on the same data."""
    sizes = [seen.sizes(arm) for arm in design.levels]
    head, flops = flops_entries(sizes)
    rows = [_row(seen, design, arm, entry) for arm, entry in zip(design.levels, flops, strict=True)]
    floors = lines_on(evidence, seen.task, seen.data_key) if seen.metric == "accuracy" else []
    return Sheet(
        name=name,
        title=title,
        columns=(
            Column(("arm",), is_code=True),
            *(Column((factor,)) for factor in design.factors),
            Column(("n",)),
            Column((f"{seen.metric_words}, %", "(95 % interval)")),
            PARAMETERS,
            head,
        ),
        rows=(*rows, *(_floor_row(line, design) for line in floors)),
        rules=frozenset({len(rows)} if floors else ()),
        warnings=seen.warnings,
        notes=(
            f"{ON} on, {OFF} off. Mean ± 95 % Student-t interval over seeds (n).",
            *([FLOORS_NOTE] if floors else []),
            provenance_note(seen),
        ),
    )


def _row(seen: View, design: Design, arm: str, flops: Entry) -> tuple[Entry, ...]:
    on = design.levels[arm]
    levels = [Entry(ON if factor in on else OFF, {factor: factor in on}) for factor in design.factors]
    accuracy = mean(seen.metric, seen.mean(arm), seen.sources(arm))
    return (label("arm", arm), *levels, seeds(seen, arm), accuracy, parameters(seen.sizes(arm)), flops)


def _floor_row(line: Line, design: Design) -> tuple[Entry, ...]:
    return (label("arm", line.name), *[BLANK] * len(design.factors), line.examples, line.accuracy, BLANK, BLANK)
