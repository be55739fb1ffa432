"""A sheet as LaTeX, for ``\\usepackage{booktabs}`` and UTF-8 input."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .layout import LONG, is_right, printed
from .sheet import Entry, Sheet

ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    **{mark: f"\\{mark}" for mark in "&%$#_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "→": r"$\rightarrow$",
    "²": r"$^2$",
    "μ": r"$\mu$",
    "σ": r"$\sigma$",
    "—": "---",
    "–": "--",
    "…": r"\ldots{}",
}
HEADER = "% Needs \\usepackage{booktabs,textcomp}; with pdfTeX also \\usepackage[T1]{fontenc}.\n"
_LAST_LETTER = "\u017f"
"""The T1 encoding has the letters up to here; pdfTeX stops at one that it has not."""


def escape(text: str) -> str:
    """Text that LaTeX prints as it is; white space, line ends too, becomes one space.

    A character that pdfTeX's T1 fonts do not have is named by its code point: ``[U+4E2D]``.
    """
    return "".join(_escaped(character) for character in " ".join(text.split()))


def _escaped(character: str) -> str:
    if character in ESCAPES:
        return ESCAPES[character]
    known = character.isprintable() and (character.isascii() or (character <= _LAST_LETTER and character.isalpha()))
    return character if known else f"[U+{ord(character):04X}]"


def sheet_latex(sheet: Sheet) -> str:
    """One ``table*`` environment; the caption holds title, warnings and notes."""
    columns = printed(sheet)
    lines = [
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{escape(_caption(sheet))}}}",
        rf"\label{{tab:{re.sub('[^a-z0-9]+', '-', sheet.name.lower()).strip('-')}}}",
        rf"\begin{{tabular}}{{{''.join(_specification(sheet, index) for index in columns)}}}",
        r"\toprule",
        *_head([sheet.columns[index].head for index in columns]),
        r"\midrule",
        *(line for number in range(len(sheet.rows)) for line in _row(sheet, number, columns)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table*}",
        "",
    ]
    return HEADER + "\n".join(lines)


def _caption(sheet: Sheet) -> str:
    warnings = [f"Warning: {warning}" for warning in sheet.warnings]
    title = sheet.title[:1].upper() + sheet.title[1:].rstrip(".")
    return " ".join([f"{title}.", *warnings, *sheet.notes])


def _specification(sheet: Sheet, index: int) -> str:
    """Left, right, or a box for prose whose lines are broken."""
    if max((len(row[index].text) for row in sheet.rows), default=0) > LONG:
        return r"p{0.22\linewidth}"
    return "r" if is_right(sheet, index) else "l"


def _head(heads: Sequence[tuple[str, ...]]) -> list[str]:
    depth = max(len(head) for head in heads)
    padded = [head + ("",) * (depth - len(head)) for head in heads]
    return [_join([_guarded(escape(text)) for text in line]) for line in zip(*padded, strict=True)]


def _row(sheet: Sheet, number: int, columns: Sequence[int]) -> list[str]:
    row = sheet.rows[number]
    line = _join([_cell(row[index], sheet.columns[index].is_code) for index in columns])
    return [r"\midrule", line] if number in sheet.rules and number else [line]


def _cell(entry: Entry, is_code: bool) -> str:
    text = escape(entry.text)
    return rf"\texttt{{{text}}}" if is_code and text else _guarded(text)


def _guarded(text: str) -> str:
    """Braces keep ``[`` and ``*`` at the start of a line from being read as arguments of the line's end before it."""
    return f"{{{text}}}" if text.startswith(("[", "*")) else text


def _join(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
