"""ListOps expressions: random ones, their exact value, and their parts.

The grammar and its probabilities are those of the Long Range Arena (Tay et al., 2020) after Nangia and
Bowman (2018). An expression is a tuple of tokens: ``[MAX 2 [MIN 4 7 ] 0 ]``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

OPERATOR_PROBABILITY = 0.25
MAX_CHILDREN = 10
CLOSE = "]"
DIGITS = tuple(str(digit) for digit in range(10))


def _median(values: Sequence[int]) -> int:
    """Median, rounded down between two middle values."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) // 2


def _sum_modulo(values: Sequence[int]) -> int:
    return sum(values) % 10


OPERATORS: dict[str, Callable[[Sequence[int]], int]] = {
    "[MIN": min,
    "[MAX": max,
    "[MED": _median,
    "[SM": _sum_modulo,
}
NAMES = tuple(OPERATORS)
VOCABULARY = ("[PAD]", *NAMES, CLOSE, *DIGITS)


class TooLong(Exception):  # noqa: N818 - a signal between two functions of this module, not an error
    """An expression grew beyond the length asked for."""


def sample(rng: random.Random, max_depth: int, max_length: int) -> tuple[list[str], int] | None:
    """Draw one expression; returns its tokens and its value, or None where it would be too long.

    A node above level ``max_depth`` (the root is level 1) is an operator with probability 0.25 and then
    has 2–10 children; every other node is a digit. Length counts operators, digits and closing brackets.
    """
    tokens: list[str] = []
    try:
        value = _grow(rng, 1, max_depth, max_length, tokens)
    except TooLong:
        return None
    return tokens, value


def _grow(rng: random.Random, level: int, max_depth: int, max_length: int, tokens: list[str]) -> int:
    """Append one node to ``tokens`` and return its value."""
    if len(tokens) >= max_length:
        raise TooLong
    if level >= max_depth or rng.random() >= OPERATOR_PROBABILITY:
        digit = int(rng.random() * 10)
        tokens.append(DIGITS[digit])
        return digit
    name = NAMES[int(rng.random() * len(NAMES))]
    children = 2 + int(rng.random() * (MAX_CHILDREN - 1))
    tokens.append(name)
    values = [_grow(rng, level + 1, max_depth, max_length, tokens) for _ in range(children)]
    tokens.append(CLOSE)
    if len(tokens) > max_length:
        raise TooLong
    return OPERATORS[name](values)


def evaluate(tokens: Sequence[str]) -> int:
    """Exact value of an expression, 0–9.

    Raises:
        ValueError: not one complete expression.
    """
    open_nodes: list[tuple[str, list[int]]] = [("", [])]
    for token in tokens:
        if token in OPERATORS:
            open_nodes.append((token, []))
        elif token == CLOSE and len(open_nodes) > 1 and open_nodes[-1][1]:
            name, values = open_nodes.pop()
            open_nodes[-1][1].append(OPERATORS[name](values))
        elif token in DIGITS:
            open_nodes[-1][1].append(int(token))
        else:
            raise ValueError(f"misplaced {token!r} in {' '.join(tokens)!r}")
    if len(open_nodes) != 1 or len(open_nodes[0][1]) != 1:
        raise ValueError(f"not one complete expression: {' '.join(tokens)!r}")
    return open_nodes[0][1][0]


def literal_children(tokens: Sequence[str]) -> list[int]:
    """The digits that stand directly under the root operator."""
    level = 0
    found = []
    for token in tokens:
        if token in OPERATORS:
            level += 1
        elif token == CLOSE:
            level -= 1
        elif level == 1:
            found.append(int(token))
    return found
