"""Which sheets of a workbook are read, and as what: on the lines that the helper process writes, without one."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from deskhand.knowledge.exports.columns import TICKETS, Vocabulary
from deskhand.knowledge.exports.workbooks import Workbook, is_workbook

HISTORY = Vocabulary("ticket", TICKETS, (("ticket_id",), ("resolution",)))
HEADINGS = ["Number", "Short description", "Resolution notes"]
TONER = ["1001", "Printer is grey", "Toner changed"]
PORT = ["1002", "VPN drops", "Opened the port"]


def opened(*sheets: tuple[str, Sequence[Sequence[str]]], hidden: Sequence[str] = ()) -> Workbook:
    lines: list[object] = []
    for name, rows in sheets:
        lines.append({"sheet": name, "hidden": name in hidden})
        lines += [[number, list(cells)] for number, cells in enumerate(rows, 1) if any(cells)]
    return Workbook(io.BytesIO("".join(f"{json.dumps(line)}\n" for line in lines).encode()), HISTORY)


def numbers(book: Workbook) -> list[object]:
    return [row.data and row.data["Number"] for row in book.rows()]


def test_the_sheet_that_has_what_a_history_needs_is_chosen_though_another_has_more_of_our_columns() -> None:
    wide = ["Number", "Subject", "Description", "Category", "Priority", "URL", "Tags"]
    book = opened(("Open", [wide, ["1", "a", "b", "c", "d", "e", "f"]]), ("Done", [HEADINGS, TONER]))
    assert (numbers(book), book.unread) == (["1001"], ("Open",))


def test_what_somebody_has_hidden_is_named_and_not_read() -> None:
    book = opened(("Now", [HEADINGS, TONER]), ("Then", [HEADINGS, PORT]), hidden=["Then"])
    assert (numbers(book), book.unread) == (["1001"], ("Then (hidden)",))


def test_a_workbook_of_hidden_or_empty_sheets_has_no_rows() -> None:
    book = opened(("Then", [HEADINGS, PORT]), ("Empty", []), hidden=["Then"])
    assert (numbers(book), book.unread) == ([], ("Then (hidden)",))
    assert numbers(opened()) == []


@pytest.mark.parametrize("headings", [HEADINGS, ["ID", *HEADINGS[1:]]])
def test_sheets_of_the_same_fields_are_one_history_whatever_they_call_them(headings: list[str]) -> None:
    book = opened(("May", [HEADINGS, TONER]), ("June", [["Tickets of June"], [], headings, PORT]))
    rows = list(book.rows())
    assert [row.where for row in rows] == ["sheet May, row 2", "sheet June, row 4"]
    assert rows[0].fraction < rows[1].fraction <= 1
    assert rows[1].data == dict(zip(headings, PORT, strict=True))


def test_two_readings_side_by_side_do_not_disturb_each_other() -> None:
    book = opened(("May", [HEADINGS, TONER, PORT]))
    one, other = book.rows(), book.rows()
    assert next(one) == next(other)
    assert next(one) == next(other)
    assert next(one, None) is next(other, None) is None


def test_a_remark_beside_the_table_is_told_as_a_column_of_its_own() -> None:
    row = next(iter(opened(("May", [HEADINGS, [*TONER, "", "ask Anna"]])).rows()))
    assert row.data is not None
    assert row.data["column 5"] == "ask Anna"


@pytest.mark.parametrize(
    ("name", "begins", "is_one"),
    [
        ("a.xlsx", b"PK\x03\x04rest", True),
        ("a.XLS", b"\xd0\xcf\x11\xe0rest", True),
        ("a.xls", b"<table>", False),
        ("a.xls", b"", False),
        ("a.csv", b"PK\x03\x04rest", False),
    ],
)
def test_a_workbook_is_known_by_its_name_and_its_first_bytes(
    tmp_path: Path, name: str, begins: bytes, is_one: bool
) -> None:
    (tmp_path / name).write_bytes(begins)
    assert is_workbook(tmp_path / name) is is_one


def test_a_file_that_is_not_there_is_left_to_its_reader(tmp_path: Path) -> None:
    assert is_workbook(tmp_path / "gone.xlsx")
