"""A sheet as HTML: a fragment for the page, and a document of its own."""

from __future__ import annotations

from html import escape

from .layout import is_right, printed
from .sheet import Column, Entry, Sheet

STYLE = """
body { font-family: sans-serif; margin: 1.5em; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; }
th, td { padding: 0.2em 0.6em; text-align: left; vertical-align: top; }
thead th { border-bottom: 1px solid; }
tr.rule td { border-top: 1px solid; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.warning { font-weight: bold; }
""".lstrip()


def sheet_html(sheet: Sheet) -> str:
    """A ``section`` with heading, warnings, table and notes.

    Every entry says its row and column of the table's body, counted from 1 as ``reports.trace`` counts them, in
    ``data-row`` and ``data-column``; ``sources.json`` holds their sources.
    """
    columns = printed(sheet)
    head = "".join(_head(sheet, index) for index in columns)
    return "\n".join([
        f'<section class="sheet" id="{escape(sheet.name)}">', f"<h2>{escape(sheet.title)}</h2>",
        *(f'<p class="warning">Warning: {escape(warning)}</p>' for warning in sheet.warnings),
        "<table>", f"<thead><tr>{head}</tr></thead>", "<tbody>",
        *(_row(sheet, number, columns) for number in range(len(sheet.rows))),
        "</tbody>", "</table>", *(f"<p>{escape(note)}</p>" for note in sheet.notes), "</section>", "",
    ])  # fmt: skip


def document(sheet: Sheet) -> str:
    """A page with nothing but this sheet, which needs no other file."""
    head = f'<meta charset="utf-8">\n<title>{escape(sheet.title)}</title>\n<style>\n{STYLE}</style>'
    body = sheet_html(sheet)
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}</body>\n</html>\n'


def _head(sheet: Sheet, index: int) -> str:
    lines = "<br>".join(escape(line) for line in sheet.columns[index].head)
    return f'<th scope="col"{_class(sheet, index)}>{lines}</th>'


def _row(sheet: Sheet, number: int, columns: list[int]) -> str:
    row = sheet.rows[number]
    cells = "".join(
        f'<td data-row="{number + 1}" data-column="{place}"{_class(sheet, index)}>'
        f"{_text(sheet.columns[index], row[index])}</td>"
        for place, index in enumerate(columns, 1)
    )
    rule = ' class="rule"' if number in sheet.rules else ""
    return f"<tr{rule}>{cells}</tr>"


def _class(sheet: Sheet, index: int) -> str:
    return ' class="number"' if is_right(sheet, index) else ""


def _text(column: Column, entry: Entry) -> str:
    text = escape(entry.text)
    return f"<code>{text}</code>" if column.is_code and text else text
