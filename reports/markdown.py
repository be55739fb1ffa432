"""A sheet as Markdown that also reads well in a terminal."""

from __future__ import annotations

import re

from .layout import head, is_right, printed
from .sheet import Column, Entry, Sheet

_SWALLOWED = re.compile(r"[\\`*_<~&$|]|\](?=[(\[:])")
"""What Markdown would not print as it is: marks of emphasis, code, links, entities and formulas."""
_AT_ENDS = re.compile(r"^[#>+-]|^\d+(?=[.)])|(?<= )#+$")
"""What makes a heading, a quotation or a list of the line that begins with it; what a heading would drop at its end."""


def sheet_markdown(sheet: Sheet) -> str:
    """Title, warnings, table and notes."""
    lines = [f"## {prose(sheet.title)}", ""]
    lines += [line for warning in sheet.warnings for line in (f"**Warning:** {plain(warning)}", "")]
    lines += [*_grid(sheet), ""]
    lines += [line for note in sheet.notes for line in (prose(note), "")]
    return "\n".join(lines)


def code(text: str) -> str:
    """A one-line code span; backticks inside become apostrophes."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"


def plain(text: str) -> str:
    """Text on one line, within a line: what Markdown would swallow is escaped."""
    return _SWALLOWED.sub(r"\\\g<0>", " ".join(text.split()))


def prose(text: str) -> str:
    """Text that is a line of its own."""
    return _AT_ENDS.sub(_escaped, plain(text))


def _escaped(match: re.Match[str]) -> str:
    return f"{match[0]}\\" if match[0].isdigit() else f"\\{match[0]}"


def _grid(sheet: Sheet) -> list[str]:
    columns = printed(sheet)
    rows = [[plain(head(sheet.columns[index])) for index in columns]]
    rows += [[_cell(sheet.columns[index], row[index]) for index in columns] for row in sheet.rows]
    right = [is_right(sheet, index) for index in columns]
    widths = [max(3, *(len(text) for text in column)) for column in zip(*rows, strict=True)]
    rule = ["-" * (width - 1) + (":" if is_number else "-") for width, is_number in zip(widths, right, strict=True)]
    return [f"| {' | '.join(_pad(row, widths, right))} |" for row in (rows[0], rule, *rows[1:])]


def _pad(row: list[str], widths: list[int], right: list[bool]) -> list[str]:
    cells = zip(row, widths, right, strict=True)
    return [text.rjust(width) if is_number else text.ljust(width) for text, width, is_number in cells]


def _cell(column: Column, entry: Entry) -> str:
    is_name = column.is_code and any(character.isalnum() for character in entry.text)
    return code(entry.text).replace("|", "\\|") if is_name else plain(entry.text)
