"""``effects``: main effects, interactions with their aliases and simple effects of factorial designs, and the arms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

from swarmformer.errors import listed

from ..render.table import Column, Entry, Row, Table
from ..statistics.verdict import Verdict
from ..study.contrasts import Contrast, Design
from ..study.model import GridStudy, Study
from ..words import in_points, percent, plural
from . import columns as c
from . import layout, table

OVER_OTHERS = "without arms far out"
ROMAN = {3: "III", 4: "IV", 5: "V", 6: "VI", 7: "VII", 8: "VIII"}


@table("effects")
def effects(study: Study, *, order: Literal[1, 2] = 2) -> list[Table]:
    """Two tables per factorial or fractional design: effects, then arms.

    order: 1 for main effects alone, 2 for two-factor interactions too.
    """
    made = []
    for grid in study.grids:
        for number, (which, design) in enumerate(grid.told_apart, 1):
            name, title = grid.name + f"_{number}" * bool(which), layout.title(grid) + which
            made += [_effects(grid, design, order, name, title), _arms(grid, design, f"{name}_arms", title)]
    return made


def _effects(grid: GridStudy, design: Design, order: Literal[1, 2], name: str, title: str) -> Table:
    families = [design.main, design.interactions][:order]
    contrasts = [one for family in families for contrast in family.contrasts for one in (contrast, *contrast.simple)]
    far = _is_told(contrasts)
    rows = [row for family in families for number, contrast in enumerate(family.contrasts)
            for row in _rows(contrast, ruled=not number, far=far)]  # fmt: skip
    value, others = f"on {layout.METRICS[grid.metric]}, points", [OVER_OTHERS] * far
    heads = ("effect of", value, *others, "p", "p Holm", "verdict", "aliases")
    of_design = (_aliasing(design), _heredity(contrasts), _far_out(grid, design, contrasts),
                 *layout.reasons(contrasts), design.power, _power(contrasts))  # fmt: skip
    columns, notes = tuple(map(Column, heads)), tuple(filter(None, (*of_design, grid.verdicts, *grid.notes)))
    return Table(name, title, columns, tuple(rows), grid.warnings, notes)


def _rows(contrast: Contrast, *, ruled: bool, far: bool) -> list[Row]:
    """The effect, and the simple effects that stand for one that depends."""
    of = "This effect is the sum of its own and of {}."
    simple = "It takes the interaction in its name for the one that acts; this design cannot tell that one from {}."
    parts = (_row(each, f"↳ {each.name}", simple, far=far) for each in contrast.simple)
    return [_row(contrast, contrast.name, of, far=far, ruled=ruled), *parts]


def _row(contrast: Contrast, words: str, aliased: str, *, far: bool, ruled: bool = False) -> Row:
    """``aliased``: the sentence on what it cannot be told from."""
    names = ", ".join(contrast.aliases) if contrast.verdict is not Verdict.DEPENDS else ""
    count = Entry(plural(len(contrast.aliases), "term") if names else "", {"aliases": names}, contrast.sources)
    name, value, *rest = _effect(contrast, words)
    others = [layout.mean("over_others", contrast.over_others, contrast.sources, "+")] * far
    return Row((name, value, *others, *rest, count), (aliased.format(names),) if names else (), ruled=ruled)


def _effect(contrast: Contrast, words: str) -> tuple[Entry, ...]:
    return (
        Entry(words, {"effect": contrast.name, "kind": contrast.kind}),
        layout.mean("estimate", contrast.interval, contrast.sources, "+"),
        layout.probability("p", contrast.p, contrast.sources),
        layout.probability("p_holm", contrast.p_holm, contrast.sources),
        layout.said(contrast),
    )


def _power(contrasts: Sequence[Contrast]) -> str:
    """What an interaction and a simple effect must have to be found."""
    told = {"interaction": "an interaction", "simple": "a simple effect"}
    sizes = {kind: [each.detectable for each in contrasts if each.kind == kind and each.detectable is not None]
             for kind in told}  # fmt: skip
    parts = [f"{told[kind]} of {in_points((min(found), max(found)))} points, after the correction over {len(found)}"
             for kind, found in sizes.items() if found]  # fmt: skip
    return f"Found with 80 % power: {'; '.join(parts)}." if parts else ""


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


def _heredity(contrasts: Sequence[Contrast]) -> str:
    """What simple effects rest on; nothing where there are none."""
    simple = [contrast for contrast in contrasts if contrast.kind == "simple"]
    if not simple:
        return ""
    told = "Simple effects (↳) are looked at because an interaction was found in the same runs."
    if not any(contrast.aliases for contrast in simple):
        return told
    return (
        f"{told} Of the interactions that the design cannot tell apart the one is taken whose factors have the most "
        "significant main effects (effect heredity: Hamada and Wu 1992); which others it may be is said below."
    )


def _far_out(grid: GridStudy, design: Design, contrasts: Sequence[Contrast]) -> str:
    """Which arms are, and what became of the effects without them."""
    if not design.far_out:
        return ""
    arms = [arm for name in design.far_out if (arm := grid.arm(name))]
    named = listed([f"{arm.name} ({percent(arm.value.mean)} %)" for arm in arms if arm.value])
    others = f"the other {plural(len(design.levels) - len(arms), 'arm')}"
    if _is_told(contrasts):
        without = f"{OVER_OTHERS}: least squares over {others}, with the same effects"
    else:
        without = f"{others} cannot tell the effects apart"
    return (
        f"Far out, more than three interquartile ranges below the lower quartile of the arms: {named}. Such an arm "
        f"moves every main effect and interaction, whichever factors it is due to; {without}."
    )


def _is_told(contrasts: Sequence[Contrast]) -> bool:
    """Whether there are effects without arms that are far out."""
    return any(contrast.over_others for contrast in contrasts)


def _arms(grid: GridStudy, design: Design, name: str, title: str) -> Table:
    """Every arm with its levels (● on, ○ off), then baselines and oracles on the same data."""
    lines = [layout.Line(grid, arm) for arm in grid.arms if arm.name in design.levels]
    lines += layout.reference_lines(grid) if grid.metric == "accuracy" else []
    levels = [layout.Cells(factor, partial(_level, design, factor)) for factor in design.factors]
    columns, rows = layout.laid_out(lines, (c.name, *levels, c.count, c.value, c.parameters, c.flops))
    return Table(name, f"{title}, the arms", columns, rows, grid.warnings, ("● on, ○ off.", *grid.notes))


def _level(design: Design, factor: str, line: layout.Line) -> Entry:
    if line.arm is None:
        return layout.BLANK
    is_on = factor in design.levels[line.name]
    return Entry("●" if is_on else "○", {factor: is_on})
