"""One factor at a time: base + factor, all − factor, and placebos, each held against its base by paired seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..definition import Definition
from ..evidence import Evidence
from ..sheet import Column, Entry, Sheet
from ..statistics.paired import Difference, paired_differences
from ..statistics.power import detectable_difference
from ..statistics.verdict import verdict
from ..view import ACCURACY, View, margin_note, provenance_note, view
from ..words import plural
from .entries import BLANK, in_points, label, mean, missing, p_entry, parameters, points, seeds, size_difference
from .families import Family, families
from .options import Options, read_options
from .predictions import Correct, correct_of


class OneFactorOptions(Options):
    """leave_out: variants (and their editions) that are no control of a factor, such as peers."""

    leave_out: tuple[str, ...] = ()


def one_factor(evidence: Evidence, definition: Definition) -> list[Sheet]:
    """One sheet per grid that has a base and arms to hold against it, outside a factorial."""
    options = read_options(definition, OneFactorOptions)
    found = [(seen, families(seen, options.leave_out)) for seen in (view(evidence, grid) for grid in evidence.grids)]
    return [_sheet(definition, seen, of_grid) for seen, of_grid in found if of_grid]


def _sheet(definition: Definition, seen: View, found: Sequence[Family]) -> Sheet:
    names = dict.fromkeys(name for family in found for name in (family.base, *family.arms))
    correct, warnings = correct_of(seen, names) if seen.metric == ACCURACY else ({}, [])
    rows: list[tuple[Entry, ...]] = []
    rules, notes = [], []
    for family in found:
        rules.append(len(rows))
        differences = paired_differences(seen.cells, dict.fromkeys(family.arms, family.base), correct=correct)
        rows += [_base_row(seen, family), *(_row(seen, family, one) for one in differences)]
        notes.append(_power(seen, family))
    return Sheet(
        name=f"{definition.name}_{seen.grid.name}",
        title=f"{definition.title}: grid {seen.grid.name}, task {seen.task}",
        columns=_columns(seen),
        rows=tuple(rows),
        rules=frozenset(rules[1:]),
        warnings=(*seen.warnings, *warnings),
        notes=(*_notes(seen, correct), *notes, provenance_note(seen)),
    )


def _columns(seen: View) -> tuple[Column, ...]:
    return (
        Column(("family",)),
        Column(("arm",), is_code=True),
        Column(("factor",)),
        Column(("n",)),
        Column((f"{seen.metric_words}, %", "(95 % interval)")),
        Column(("difference to base,", "points (95 % interval)")),
        Column(("p",)),
        Column(("p, Holm",)),
        Column(("p, McNemar",)),
        Column(("verdict",)),
        Column(("parameters", "(w/o embedding)")),
        Column(("parameters,", "difference")),
        Column(("FLOPs,", "difference")),
    )


def _head(seen: View, family: Family, arm: str) -> tuple[Entry, ...]:
    factor = label("factor", family.arms[arm]) if family.arms.get(arm) else Entry("", {"factor": None})
    return (
        label("family", family.name), label("arm", arm), factor, seeds(seen, arm),
        mean(seen.metric, seen.mean(arm), seen.sources(arm)),
    )  # fmt: skip


def _base_row(seen: View, family: Family) -> tuple[Entry, ...]:
    head = _head(seen, family, family.base)
    return (*head, Entry("base"), *[BLANK] * 4, parameters(seen.sizes(family.base)), BLANK, BLANK)


def _row(seen: View, family: Family, found: Difference) -> tuple[Entry, ...]:
    pair = seen.sources(found.arm, found.base)
    ours, theirs = seen.sizes(found.arm), seen.sizes(found.base)
    of_sizes = (*(ours.sources if ours else ()), *(theirs.sources if theirs else ()))
    more = ours.parameters.total - theirs.parameters.total if ours and theirs else None
    flops = ours.flops - theirs.flops if ours and theirs else None
    return (
        *_head(seen, family, found.arm),
        points("difference", found.interval, pair),
        p_entry("p", found.p, pair),
        p_entry("p_holm", found.p_holm, seen.sources(found.base, *family.arms)),
        p_entry("p_mcnemar", found.p_mcnemar, pair),
        _verdict(seen, found, pair),
        parameters(ours),
        size_difference("parameters_difference", more, of_sizes),
        size_difference("flops_difference", flops, of_sizes),
    )


def _verdict(seen: View, found: Difference, sources: tuple[str, ...]) -> Entry:
    if seen.margin is None or found.interval is None:
        return missing("verdict", sources=sources)
    said = verdict(found.interval.low, found.interval.high, seen.margin)
    return Entry(str(said), {"verdict": str(said)}, sources)


def _notes(seen: View, correct: Correct) -> list[str]:
    tested = "no arm has the predictions of all its runs" if not correct else "where all runs kept their predictions"
    return [
        "Differences: arm minus base of the family, paired by seed, 95 % Student-t interval and two-sided t test over "
        "seeds; Holm's correction within each family. Base of one in: no factor; of one out: all, so that a negative "
        "difference says that the factor is missed. McNemar (secondary, exact, of these trained models only: it does "
        f"not know that seeds vary): {tested}. n: seeds. FLOPs: forward pass, multiply-adds × 2. —: not measured.",
        margin_note(seen),
    ]


def _power(seen: View, family: Family) -> str:
    """What this family could have found, from the spread of its own paired differences."""
    base = seen.by_seed(family.base, seen.metric)
    squares, df, pairs = 0.0, 0, []
    for arm in family.arms:
        ours = seen.by_seed(arm, seen.metric)
        values = [ours[seed] - base[seed] for seed in ours.keys() & base.keys()]
        if len(values) > 1:
            centre = sum(values) / len(values)
            squares, df = squares + sum((value - centre) ** 2 for value in values), df + len(values) - 1
            pairs.append(len(values))
    if not df:
        return f"Power ({family.name}): not known, as no arm has two seeds in common with {family.base}."
    sd, n = math.sqrt(squares / df), min(pairs)
    least = detectable_difference(sd, n)
    assert least is not None  # n is at least 2
    return (
        f"Power ({family.name}): paired differences spread by {in_points(sd)} (standard deviation, pooled over "
        f"{plural(len(pairs), 'arm')}); with {plural(n, 'pair')} a true difference of {in_points(least)} is found with "
        "80 % power (one comparison, not corrected)."
    )
