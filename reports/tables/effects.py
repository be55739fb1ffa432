"""``effects``: main effects, interactions with their aliases and simple effects of factorial designs, and the arms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..render.table import Column, Entry, Row, Table
from ..study.model import Contrast, Design, GridStudy, Study
from ..words import plural
from . import table
from .cells import (
    BLANK,
    PARAMETERS,
    REFERENCES_NOTE,
    examples,
    flops,
    flops_column,
    label,
    mean,
    metric_words,
    on_its_data,
    parameters,
    probability,
    reasons,
    reference_accuracy,
    seeds,
    title,
    verdict,
)

ON, OFF = "●", "○"
ROMAN = {3: "III", 4: "IV", 5: "V", 6: "VI", 7: "VII", 8: "VIII"}
METHOD = (
    "Effect: mean of the runs where the factor is on less the mean where it is off; of an interaction: mean where both "
    "or neither are on less the mean where one is, half of what both together gain beyond the sum of each. Terms that "
    "are not shown are taken to be zero. Holm's correction within the main effects, and within the interactions. A "
    "main effect that depends on another factor is no verdict: its simple effects stand below it (↳)."
)


@table("effects")
def effects(study: Study, *, order: Literal[1, 2] = 2) -> list[Table]:
    """Two tables per factorial or fractional design: effects, then arms.

    order: 1 for main effects alone, 2 for two-factor interactions too.
    """
    made = []
    for grid in study.grids:
        for number, design in enumerate(grid.effects, 1):
            name = grid.name + (f"_{number}" if len(grid.effects) > 1 else "")
            made += [_effects(grid, design, order, name), _arms(grid, design, f"{name}_arms")]
    return made


def _effects(grid: GridStudy, design: Design, order: Literal[1, 2], name: str) -> Table:
    families = [design.main, design.interactions][:order]
    rows = [row for family in families for number, contrast in enumerate(family.contrasts)
            for row in _rows(contrast, ruled=not number)]  # fmt: skip
    contrasts = [one for family in families for contrast in family.contrasts for one in (contrast, *contrast.simple)]
    columns = (
        Column("effect of"), Column(f"on {metric_words(grid)}, points"), Column("p"), Column("p Holm"),
        Column("verdict"), Column("aliases"),
    )  # fmt: skip
    notes = (METHOD, _aliasing(design), *reasons(contrasts), design.power, *grid.notes)
    return Table(name, title(grid), columns, tuple(rows), grid.warnings, tuple(filter(None, notes)))


def _rows(contrast: Contrast, *, ruled: bool) -> list[Row]:
    also = (f"This effect is the sum of its own and of {', '.join(contrast.aliases)}.",) if contrast.aliases else ()
    count = Entry(plural(len(contrast.aliases), "term") if contrast.aliases else "",
                  {"aliases": ", ".join(contrast.aliases)}, contrast.sources)  # fmt: skip
    first = Row((*_effect(contrast, contrast.name), count), also, ruled=ruled)
    return [first, *(Row((*_effect(simple, f"↳ {simple.name}"), BLANK)) for simple in contrast.simple)]


def _effect(contrast: Contrast, words: str) -> tuple[Entry, ...]:
    return (
        Entry(words, {"effect": contrast.name, "kind": contrast.kind}),
        mean("estimate", contrast.interval, contrast.sources, "+"),
        probability("p", contrast.p, contrast.sources),
        probability("p_holm", contrast.p_holm, contrast.sources),
        verdict(contrast),
    )


def _aliasing(design: Design) -> str:
    if design.resolution is None:
        return "Full factorial: nothing is aliased."
    made = f", generators {design.generators}" if design.generators else ""
    resolution, size = ROMAN.get(design.resolution, design.resolution), plural(len(design.levels), "arm")
    return (
        f"Fraction of resolution {resolution} ({size}, {plural(len(design.factors), 'factor')}{made}): an effect is "
        "the sum of its own and of its aliases', named below. Main effects carry interactions of three factors and "
        "more, which are not named and taken to be zero."
    )


def _arms(grid: GridStudy, design: Design, name: str) -> Table:
    """Every arm with its levels, then the baselines and oracles that were measured on the same data."""
    arms = [arm for arm in grid.arms if arm.name in design.levels]
    references = on_its_data(grid) if grid.metric == "accuracy" else []
    size = flops_column(arm.size for arm in arms)
    rows = [
        Row((label("arm", arm.name), *_levels(design, design.levels[arm.name]), seeds(arm),
             mean(grid.metric, arm.value, arm.sources), parameters(arm.size), flops(arm.size, size)))
        for arm in arms
    ]  # fmt: skip
    rows += [
        Row((label("arm", one.name), *[BLANK] * len(design.factors), examples(one), reference_accuracy(one),
             BLANK, BLANK), ruled=not number)
        for number, one in enumerate(references)
    ]  # fmt: skip
    columns = (
        Column("arm", is_code=True), *map(Column, design.factors), Column("n"), Column(f"{metric_words(grid)}, %"),
        PARAMETERS, size,
    )  # fmt: skip
    said = f"{ON} on, {OFF} off. Mean [95 % interval] over seeds (n)."
    notes = (said, *([REFERENCES_NOTE] if references else []), *grid.notes)
    return Table(name, f"{title(grid)}, the arms", columns, tuple(rows), grid.warnings, notes)


def _levels(design: Design, on: Sequence[str]) -> list[Entry]:
    return [Entry(ON if factor in on else OFF, {factor: factor in on}) for factor in design.factors]
