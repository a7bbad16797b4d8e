"""Rows for spreadsheets: what was written is read back, and nothing of it is a formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.kit.csv_text import csv_row

CELL = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))


@given(st.lists(CELL, min_size=2))
def test_a_row_is_read_back_cell_for_cell(cells: list[str]) -> None:
    [read] = csv.reader(io.StringIO(csv_row(cells), newline=""))
    assert [
        cell.removeprefix("'") if not said.startswith("'") else cell for cell, said in zip(read, cells, strict=True)
    ] == cells
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in read)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")'])
def test_a_formula_is_kept_as_a_text(text: str) -> None:
    [read] = csv.reader(io.StringIO(csv_row([text, "x"]), newline=""))
    assert read == [f"'{text}", "x"]


def test_nothing_is_an_empty_cell_and_a_number_stays_one() -> None:
    assert csv_row([None, 3, 0.5, "a,b"]) == ',3,0.5,"a,b"\r\n'
