"""A sheet as CSV: every column, raw numbers (fractions of 1, seconds, FLOPs), empty where missing."""

from __future__ import annotations

import pandas as pd

from .layout import csv_columns
from .sheet import Sheet


def sheet_csv(sheet: Sheet) -> str:
    """All raw values of a sheet; a column without raw values gives its texts, under its head."""
    columns = csv_columns(sheet)
    records = [[column.value(row) for column in columns] for row in sheet.rows]
    # object keeps whole numbers whole in columns that have gaps.
    frame = pd.DataFrame(records, columns=[column.name for column in columns], dtype=object)
    return frame.to_csv(index=False, lineterminator="\n")
