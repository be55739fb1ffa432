"""Texts that each format prints as they are, white space (line ends too) as one space."""

from __future__ import annotations

import re

import pandas as pd

_SWALLOWED = re.compile(r"[\\`*_<~&$|]|\](?=[(\[:])")
"""What Markdown would not print as it is: marks of emphasis, code, links, entities and formulas."""
_AT_ENDS = re.compile(r"^[#>+-]|^\d+(?=[.)](?: |$))|(?<= )#+$")
"""What makes a heading, a quotation or a list of the line that begins with it; what a heading would drop at its end."""
_LATEX = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "{}&%$#_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "—": "---",
    "–": "--",
    "…": r"\ldots{}",
    "↳": r"\quad{}",
    "−": "$-$",
    "²": r"$^2$",
    **{mark: rf"$\{name}$" for mark, name in {
        "±": "pm", "×": "times", "·": "cdot", "≤": "leq", "≥": "geq", "≈": "approx", "→": "rightarrow", "μ": "mu",
        "σ": "sigma", "Δ": "Delta", "●": "bullet", "○": "circ",
    }.items()},
}  # fmt: skip
_LAST_LETTER = "\u017f"
"""The T1 encoding has the letters up to here; pdfTeX stops at one that it has not."""


def code(text: str) -> str:
    """Markdown: a one-line code span; backticks inside become apostrophes."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"


def plain(text: str) -> str:
    """Markdown: text within a line."""
    return _SWALLOWED.sub(r"\\\g<0>", " ".join(text.split()))


def prose(text: str) -> str:
    """Markdown: text that is a line of its own."""
    return _AT_ENDS.sub(lambda mark: f"{mark[0]}\\" if mark[0].isdigit() else f"\\{mark[0]}", plain(text))


def latex(text: str) -> str:
    """A character that pdfTeX's T1 fonts do not have is named by its code point: ``[U+4E2D]``."""
    return "".join(map(_latex, " ".join(text.split())))


def _latex(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    known = character.isprintable() and (character.isascii() or (character <= _LAST_LETTER and character.isalpha()))
    return character if known else f"[U+{ord(character):04X}]"


def inert(value: object) -> object:
    """A cell of a CSV file: a text that a spreadsheet would take for a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def csv_text(frame: pd.DataFrame) -> str:
    """A table as CSV that no spreadsheet computes with."""
    texts = [name for name in frame if frame[name].dtype == object or pd.api.types.is_string_dtype(frame[name])]
    # Not Series.map, which makes fractions of whole numbers beside gaps.
    safe = {name: pd.Series(list(map(inert, frame[name])), frame.index, dtype=object) for name in texts}
    return frame.assign(**safe).to_csv(index=False, lineterminator="\n")


def utf8(text: str) -> bytes:
    r"""Bytes of any text: half of a surrogate pair, which UTF-8 has not, is written as ``\ud83d``."""
    return text.encode("utf-8", "backslashreplace")
