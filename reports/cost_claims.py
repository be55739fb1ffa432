"""Verdicts on claims about cost: every claim with the measured ratios that speak for and against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .cost_rows import Bounded, Claim, Growth

BASE = "base"
NOTHING = "not measured"
Ratio = Callable[[str, int], Bounded | None]


@dataclass(frozen=True)
class Finding:
    """What one quantity says of a claim: ratios to the base by length, and the verdict that follows."""

    quantity: str
    ratios: dict[int, Bounded | None]

    @property
    def verdict(self) -> str:
        """``confirmed`` or ``refuted`` where every length says so, beyond its interval; else what each length says."""
        says = {length: word for length, ratio in self.ratios.items() if (word := _less(ratio)) is not None}
        words = set(says.values())
        if len(words) > 1:
            return "; ".join(_at(word, says) for word in ("less", "undecided", "not less") if word in words)
        return {"less": "confirmed", "not less": "refuted", "undecided": "undecided"}[words.pop()] if words else NOTHING


def _at(word: str, says: Mapping[int, str]) -> str:
    return f"{word} at " + ", ".join(f"{length:,}" for length, said in says.items() if said == word)


def _less(ratio: Bounded | None) -> str | None:
    if ratio is None:
        return None
    low, high = (ratio.value if bound is None else bound for bound in (ratio.low, ratio.high))
    if high < 1:
        return "less"
    return "not less" if low >= 1 else "undecided"


def findings(claim: Claim, forward: Growth, training: Growth | None) -> list[Finding]:
    """FLOPs and seconds of a forward pass, and of a training step where that was measured."""
    kinds: list[tuple[str, Growth | None, Callable[[Growth], Ratio]]] = [
        ("FLOPs, forward", forward, flops_ratio),
        ("seconds, forward", forward, seconds_ratio),
        ("FLOPs, training", training, flops_ratio),
        ("seconds, training", training, seconds_ratio),
    ]
    return [
        Finding(name, {length: ratio(growth)(claim.variant, length) for length in growth.lengths})
        for name, growth, ratio in kinds
        if growth is not None
    ]


def flops_ratio(growth: Growth) -> Ratio:
    def ratio(variant: str, length: int) -> Bounded | None:
        ours, base = growth.at(variant, length), growth.at(BASE, length)
        return Bounded(value=ours.flops / base.flops, low=None, high=None) if ours and base else None

    return ratio


def seconds_ratio(growth: Growth) -> Ratio:
    def ratio(variant: str, length: int) -> Bounded | None:
        found = growth.at(variant, length)
        return found.of_first if found else None

    return ratio


def order_verdict(claim: Claim, forward: Growth) -> str:
    """Whether FLOPs grow with the claimed exponent: between the two longest lengths, where the largest term shows."""
    short, long = forward.lengths[-2:]
    few, many = forward.at(claim.variant, short), forward.at(claim.variant, long)
    if claim.exponent is None or few is None or many is None:
        return NOTHING
    grown, claimed = many.flops / few.flops, (long / short) ** claim.exponent
    words = f"from {short:,} to {long:,} tokens FLOPs grow {grown:.1f} times; the claim says {claimed:.0f}"
    return f"{'confirmed' if abs(grown / claimed - 1) < 0.1 else 'refuted'}: {words}"


def claims_markdown(claims: Sequence[Claim], forward: Growth, training: Growth | None) -> str:
    """One section a claim: its verdicts and the ratios behind them."""
    return "\n".join(_section(claim, forward, training) for claim in claims)


def _section(claim: Claim, forward: Growth, training: Growth | None) -> str:
    lines = [f"**{claim.claim}.** (`{claim.variant}`)", ""]
    if claim.kind == "order":
        return "\n".join([*lines, f"{order_verdict(claim, forward)}; {claim.reason}.", ""])
    found = findings(claim, forward, training)
    lengths = sorted({length for finding in found for length in finding.ratios})
    head = ["ratio to `base`", *(f"{length:,} tokens" for length in lengths), "verdict"]
    rows = [
        [finding.quantity, *(_cell(finding.ratios.get(length)) for length in lengths), finding.verdict]
        for finding in found
    ]
    table = [head, ["---", *["---:"] * len(lengths), "---"], *rows]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in table), ""])


def _cell(ratio: Bounded | None) -> str:
    if ratio is None:
        return "—"
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3f}"
    return f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
