"""Rows of CSV for spreadsheets, which take some texts for formulas. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from decimal import Decimal

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for a formula at the start of a cell; names come from outside."""


def csv_row(values: Iterable[object]) -> str:
    """One row with its line's end: None is an empty cell, a decimal is written out, and no text is a formula."""
    out = io.StringIO()
    csv.writer(out).writerow([_cell(value) for value in values])
    return out.getvalue()


def _cell(value: object) -> str:
    # Written out: an exponent is read as a number by some programs, and as a text by others. Below zero it begins as a
    # formula would, and is a number all the same.
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
