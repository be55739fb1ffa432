"""Numbers as words: the one way in which tables print shares, differences, p values and sizes."""

from __future__ import annotations

from .statistics.interval import Interval

MINUS = "−"


def percent(share: float, sign: str = "") -> str:
    """A share or a difference of shares in percent or points, two decimals: 0.8119 → ``81.19``."""
    value = round(100 * share, 2) + 0.0  # + 0.0 turns -0.0 into 0.0
    return f"{value:{sign}.2f}".replace("-", MINUS)


def bounds(low: float | None, high: float | None, sign: str = "") -> str:
    """An interval of shares: ``[80.70, 81.67]``; ``(no interval)`` where there is none."""
    if low is None or high is None:
        return "(no interval)"
    return f"[{percent(low, sign)}, {percent(high, sign)}]"


def with_bounds(interval: Interval, sign: str = "") -> str:
    """``81.19 [80.70, 81.67]``"""
    return f"{percent(interval.mean, sign)} {bounds(interval.low, interval.high, sign)}"


def p_value(p: float) -> str:
    """``0.012``, ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def engineering(value: float) -> str:
    """Three significant digits with a decimal prefix: 1234567 → ``1.23 M``."""
    for power, prefix in ((12, " T"), (9, " G"), (6, " M"), (3, " k")):
        if value >= 0.9995 * 10**power:
            return three(value / 10**power) + prefix
    return three(value)


def three(value: float) -> str:
    """Three significant digits, or all before the point: ``9.80``, ``1,015``; below 1 two decimals."""
    return f"{value:,.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def signed(value: float) -> str:
    """A difference of sizes with its sign: −1234567 → ``−1.23 M``, 7 → ``+7``, 0 → ``0``."""
    if value == 0:
        return "0"
    size = f"{abs(value):.0f}" if abs(value) < 1000 else engineering(abs(value))
    return f"{'+' if value > 0 else MINUS}{size}"


def ratio(value: float, low: float | None, high: float | None) -> str:
    """``0.55 [0.48, 1.59]``"""
    text = f"{value:.2f}" if low is None or high is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"
    return text.replace("-", MINUS)


def in_points(found: tuple[float, float]) -> str:
    """``2.51 to 4.08``; shares differ by no more than 100 points."""
    low, high = (percent(each) if each < 1 else "more than 100" for each in found)
    return low if low == high else f"{low} to {high}"


def plural(count: int, noun: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
