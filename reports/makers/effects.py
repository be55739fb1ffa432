"""Effects of a factorial or fractional grid: main effects, interactions with their aliases, and the arms themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..definition import Definition
from ..evidence import Evidence
from ..schema import FACTORIALS, Design
from ..sheet import Column, Entry, Sheet
from ..statistics.effects import Effect, factorial_effects, residual_noise
from ..statistics.interval import Interval
from ..statistics.mixed import Mixed, MixedEffect, mixed_effects
from ..statistics.power import detectable_effect
from ..statistics.verdict import verdict
from ..view import View, margin_note, provenance_note, view
from ..words import MINUS, plural, with_bounds
from .effects_arms import arms_sheet
from .entries import in_points, interval_raw, label, missing, p_entry, points
from .options import Options, read_options

ROMAN: dict[int, str] = {3: "III", 4: "IV", 5: "V", 6: "VI", 7: "VII", 8: "VIII"}


class EffectsOptions(Options):
    """order: 1 for main effects alone, 2 for two-factor interactions too."""

    order: Literal[1, 2] = 2


@dataclass(frozen=True)
class Found:
    """The effects of one design, and what checks them."""

    seen: View
    design: Design
    order: Literal[1, 2]
    effects: Sequence[Effect]
    mixed: Mixed | None

    @property
    def arms(self) -> tuple[str, ...]:
        return tuple(self.design.levels)

    @property
    def sources(self) -> tuple[str, ...]:
        """Every effect is made of every run of the design."""
        return self.seen.sources(*self.arms)


def effects(evidence: Evidence, definition: Definition) -> list[Sheet]:
    """Two sheets per factorial or fractional design: effects, then arms."""
    options = read_options(definition, EffectsOptions)
    sheets: list[Sheet] = []
    for seen in (view(evidence, grid) for grid in evidence.grids):
        designs = seen.grid.plan.designs if seen.grid.plan else ()
        chosen = [design for design in designs if design.kind in FACTORIALS]
        for number, design in enumerate(chosen, 1):
            name = f"{definition.name}_{seen.grid.name}" + (f"_{number}" if len(chosen) > 1 else "")
            title = f"{definition.title}: grid {seen.grid.name}, task {seen.task}"
            sheets += [_effects_sheet(_find(seen, design, options.order), name, title)]
            sheets += [arms_sheet(evidence, seen, design, f"{name}_arms", f"{title}, the arms")]
    return sheets


def _find(seen: View, design: Design, order: Literal[1, 2]) -> Found:
    found = factorial_effects(seen.cells, design.levels, design.factors, order=order)
    has_runs = len(seen.of(*design.levels)) > 0
    mixed = mixed_effects(seen.cells, design.levels, design.factors, order=order) if has_runs else None
    return Found(seen, design, order, found, mixed)


def _effects_sheet(found: Found, name: str, title: str) -> Sheet:
    mains = sum(len(effect.term) == 1 for effect in found.effects)
    seen = found.seen
    return Sheet(
        name=name,
        title=title,
        columns=(
            Column(("effect of",)),
            Column((f"on {seen.metric_words},", "points (95 % interval)")),
            Column(("p",)),
            Column(("p, Holm",)),
            Column(("verdict",)),
            Column(("mixed model",)),
            Column(("aliases: what is in this effect too",)),
        ),
        rows=tuple(_row(found, effect) for effect in found.effects),
        rules=frozenset({mains} if mains < len(found.effects) else ()),
        warnings=seen.warnings,
        notes=(*_notes(found), margin_note(seen), provenance_note(seen)),
    )


def _row(found: Found, effect: Effect) -> tuple[Entry, ...]:
    sources = found.sources
    estimate = effect.estimate
    interval = None if estimate is None else Interval(estimate, effect.low, effect.high, effect.n)
    return (
        label("effect", _term(effect.term)),
        points("estimate", interval, sources),
        p_entry("p", effect.p, sources),
        p_entry("p_holm", effect.p_holm, sources),
        _verdict(found, interval),
        _mixed(found, effect),
        Entry(", ".join(_alias(alias, effect) for alias in effect.aliases)),
    )


def _term(term: Sequence[str]) -> str:
    return " × ".join(term)


def _alias(alias: tuple[str, ...], effect: Effect) -> str:
    return (MINUS if alias in effect.negated else "") + _term(alias)


def _verdict(found: Found, interval: Interval | None) -> Entry:
    margin = found.seen.margin
    if margin is None or interval is None:
        return missing("verdict", sources=found.sources)
    said = str(verdict(interval.low, interval.high, margin))
    return Entry(said, {"verdict": said}, found.sources)


def _mixed(found: Found, effect: Effect) -> Entry:
    """``agrees``, or the interval of the mixed model where that leads to another verdict."""
    keys = ("mixed", "mixed_low", "mixed_high")
    other = next((one for one in found.mixed.effects if one.term == effect.term), None) if found.mixed else None
    if other is None:
        return missing(*keys, sources=found.sources)
    interval = Interval(other.estimate, other.low, other.high, effect.n)
    same = _says(found, effect) == _says(found, other)
    return Entry("agrees" if same else with_bounds(interval, "+"), interval_raw("mixed", interval), found.sources)


def _says(found: Found, one: Effect | MixedEffect) -> str:
    """The verdict; where there is no margin, whether and where the interval is off zero."""
    return str(verdict(one.low, one.high, found.seen.margin or 0.0))


def _notes(found: Found) -> tuple[str, ...]:
    return (_method(), _aliasing(found), _check(found), _power(found))


def _method() -> str:
    return (
        "Effect: mean of the runs where the factor is on less the mean where it is off; of an interaction: mean where "
        "both or neither are on less the mean where one is, half of what both together gain beyond the sum of each. "
        "Least squares with a block per seed, 95 % Student-t interval; terms that are not shown are taken to be zero. "
        "Holm's correction within the main effects, and within the interactions."
    )


def _aliasing(found: Found) -> str:
    design = found.design
    if design.resolution is None:
        return "Full factorial: nothing is aliased."
    resolution = ROMAN.get(design.resolution, str(design.resolution))
    made = f", generators {design.generators}" if design.generators else ""
    return (
        f"Fraction of resolution {resolution} ({plural(len(design.levels), 'arm')}, "
        f"{plural(len(design.factors), 'factor')}{made}): an effect is the sum of its own and of its aliases'. Main "
        "effects carry interactions of three factors and more, which are not named and taken to be zero."
    )


def _check(found: Found) -> str:
    if found.mixed is None:
        return "Mixed model (random intercept per seed): not fitted, as the runs do not determine it."
    edge = " Its spread over seeds was estimated as zero or did not settle." if found.mixed.at_boundary else ""
    return f"Mixed model (random intercept per seed): a check; shown where it leads to another verdict.{edge}"


def _power(found: Found) -> str:
    noise = residual_noise(found.seen.cells, found.design.levels, found.design.factors, order=found.order)
    least = None if noise.sd is None else detectable_effect(noise.sd, noise.n, noise.df)
    head = f"{plural(noise.n, 'run')} of {sum(map(found.seen.seeds_planned, found.arms))}, {noise.df} residual degrees"
    if noise.sd is None or least is None:
        return f"{head} of freedom: no interval and no power without more runs."
    return (
        f"{head} of freedom, noise of one run {in_points(noise.sd)} (standard deviation): a true effect of "
        f"{in_points(least)} is found with 80 % power (one effect, not corrected)."
    )
