"""What is compared with what, typed: contrasts, each decided once, the families that correct them, and designs.

Values are fractions of one (accuracies, differences).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from ..statistics.interval import Interval
from ..statistics.power import detectable_difference
from ..statistics.verdict import Verdict
from .subjects import Sources

Kind = Literal["difference", "main", "interaction", "simple"]


@dataclass(frozen=True)
class Contrast:
    """One comparison, decided once: an arm less its base, an effect of a factor, an interaction, a simple effect.

    name: the arm; ``windowed``; ``windowed × layer_norm``; ``windowed without layer_norm``. against: the base arm of
    a difference, else empty. family: whose Holm correction ``p_holm`` is. verdict: None where no margin was
    registered. reason: what the verdict rests on, at most a dozen words. aliases: what the design cannot tell from it,
    a minus in front of those that enter negated. simple: the simple effects that stand for a main effect that
    depends. n: seeds. terms: the factors of an effect, whatever it is named in a grid of several designs. p_mcnemar:
    secondary, of these trained models only. tests: how many p its family corrects together. error: standard error, with
    the seeds less one as degrees of freedom; None where there are no bounds. over_others: of an effect, the same over
    the design's arms that are not far out; None where none is, or the others cannot tell.
    """

    kind: Kind
    name: str
    against: str
    family: str
    interval: Interval | None
    p: float | None
    p_holm: float | None
    verdict: Verdict | None
    reason: str
    n: int
    sources: Sources
    aliases: tuple[str, ...] = ()
    simple: tuple[Contrast, ...] = ()
    terms: tuple[str, ...] = ()
    p_mcnemar: float | None = None
    tests: int = 0
    error: float | None = None
    over_others: Interval | None = None

    @property
    def detectable(self) -> float | None:
        """Smallest true difference that is found with 80 % power; None where nothing is known of it."""
        return None if self.error is None else detectable_difference(self.error, self.n, max(1, self.tests))

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it this comparison and no other within its grid."""
        return self.kind, self.name, self.against


@dataclass(frozen=True)
class Family:
    """Comparisons that are corrected together, in the order that tables show them.

    name: ``one in``, ``one out``, ``placebos and controls``, ``arms``, ``main effects``, ``interactions`` …
    base: the arm that differences are held against, else None. factors: arm → the words of what was changed.
    power: one sentence on what this family could have found.
    """

    name: str
    base: str | None
    contrasts: tuple[Contrast, ...]
    factors: Mapping[str, str] = field(default_factory=dict)
    power: str = ""

    @cached_property
    def sources(self) -> Sources:
        """Of all its comparisons, which what is corrected over them is made of."""
        return tuple(dict.fromkeys(source for contrast in self.contrasts for source in contrast.sources))


@dataclass(frozen=True)
class Design:
    """A factorial or fractional design and its effects.

    levels: arm → factors that are on in it. power: one sentence on what a main effect must have to be found;
    detectable: least and most of that size over the factors, None where nothing is known of it. seeds: with which
    every arm is completed. far_out: arms far below all others; see ``statistics.far_out``.
    """

    kind: str
    factors: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    generators: str
    resolution: int | None
    main: Family
    interactions: Family
    power: str
    detectable: tuple[float, float] | None = None
    seeds: int = 0
    far_out: tuple[str, ...] = ()
