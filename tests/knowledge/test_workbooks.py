"""Workbooks: the sheet that holds the tickets, cells as a person would write them, and files made to do harm."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.support import office

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.exports import UnreadableFileError, apart, paper_reader
from deskhand.knowledge.exports.files import opened_rows, read_rows

HEADINGS = ["Number", "Short description", "Resolution notes", "Resolved"]
FIRST = [1001.0, "Drucker im Büro druckt grau", "Toner getauscht", datetime(2026, 11, 20, 10)]  # noqa: DTZ001
SECOND = [1002.0, "VPN drops", "Opened the port", datetime(2026, 11, 21)]  # noqa: DTZ001
TICKETS = [HEADINGS, FIRST, SECOND]
LEGEND = [["Colour", "Meaning"], ["red", "urgent"]]


def written(tmp_path: Path, sheets: dict[str, list[list[office.Cell]]], **options: list[str]) -> Path:
    path = tmp_path / "history.xlsx"
    path.write_bytes(office.workbook(sheets, **options))
    return path


async def test_the_sheet_with_the_tickets_comes_in_and_the_others_are_named(
    clean_db: Database, tenant: str, tmp_path: Path
) -> None:
    path = written(tmp_path, {"Legend": LEGEND, "Export": TICKETS, "Old": TICKETS, "Empty": []}, hidden=["Old"])
    report = await importer.import_tickets(clean_db, tenant, path, embedder=LexicalOnly())
    assert (report.created, report.failed) == (2, 0)
    assert report.unread_sheets == ["Legend", "Old (hidden)"]
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        rows = await session.execute(
            text("SELECT ticket_id, subject, resolution, resolved_date FROM ticket_history ORDER BY 1")
        )
        assert [tuple(row) for row in rows] == [
            ("1001", FIRST[1], "Toner getauscht", datetime(2026, 11, 20, 10, tzinfo=UTC)),
            ("1002", "VPN drops", "Opened the port", datetime(2026, 11, 21, tzinfo=UTC)),
        ]
    again = await importer.import_tickets(clean_db, tenant, path, embedder=LexicalOnly())
    assert (again.created, again.updated, again.unchanged) == (0, 0, 2)


def test_a_sheet_a_month_is_one_history(tmp_path: Path) -> None:
    sheets = {"October": [HEADINGS, FIRST], "November": [["Tickets of November"], [], [*HEADINGS, "Floor"], SECOND]}
    with opened_rows(written(tmp_path, {**sheets, "Open": [HEADINGS[:2], FIRST[:2]]})) as file:
        rows = list(file.rows())
        assert file.unread_sheets == ("Open",), "without a solution's column it is no history"
        assert rows == list(file.rows()), "a second reading says the same"
    assert rows[0].fraction < rows[1].fraction <= 1.0
    assert [(row.where, row.data and row.data["Number"]) for row in rows] == [
        ("sheet October, row 2", "1001"),
        ("sheet November, row 4", "1002"),
    ]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (1001.0, "1001"),
        (-3.0, "-3"),
        (2.5, "2.5"),
        (999_999_999_999_999.0, "999999999999999"),
        (1.2345678901234568e16, "1.23456789012346E+16"),
        (True, "yes"),
        (False, "no"),
        (datetime(2026, 11, 20, 9, 59, 59, 994_000), "2026-11-20 10:00:00"),  # noqa: DTZ001
        (datetime(2026, 11, 20), "2026-11-20"),  # noqa: DTZ001
        ("0012", "0012"),
        ("two\nlines ", "two\nlines "),
    ],
)
def test_a_cell_is_what_a_person_would_write(tmp_path: Path, cell: office.Cell, said: str) -> None:
    (row,) = read_rows(written(tmp_path, {"A": [["Number", "Subject", "Value"], ["1", "a", cell]]}))
    assert row.data == {"Number": "1", "Subject": "a", "Value": said}


async def test_a_number_that_lost_its_last_digits_is_one_bad_row(
    clean_db: Database, tenant: str, tmp_path: Path
) -> None:
    path = written(tmp_path, {"A": [HEADINGS, [12345678901234567.0, "a", "b", None], FIRST]})
    report = await importer.import_tickets(clean_db, tenant, path, on_error="continue", embedder=LexicalOnly())
    assert (report.created, report.failed) == (1, 1)
    assert (report.problems[0].where, "shortened" in report.problems[0].detail) == ("row 2", True)


def test_what_stands_beside_the_table_is_told_as_a_column(tmp_path: Path) -> None:
    (row,) = read_rows(written(tmp_path, {"A": [HEADINGS, [*FIRST[:3], None, None, "ask Anna"]]}))
    assert row.data is not None
    assert row.data["column 6"] == "ask Anna"


async def test_an_inventory_may_be_a_workbook_too(clean_db: Database, tenant: str, tmp_path: Path) -> None:
    path = written(tmp_path, {"Notes": LEGEND, "Servers": [["Hostname", "IP address"], ["print01", "10.0.0.5"]]})
    report = await importer.import_systems(clean_db, tenant, path)
    assert (report.created, report.unread_sheets) == (1, ["Notes"])


async def test_what_libreoffice_keeps_says_the_same(clean_db: Database, tenant: str, tmp_path: Path) -> None:
    path = tmp_path / "history.ods"
    path.write_bytes(office.open_document({"Legend": LEGEND, "Export": TICKETS}))
    report = await importer.import_tickets(clean_db, tenant, path, embedder=LexicalOnly())
    assert (report.created, report.unread_sheets) == (2, ["Legend"])
    other = written(tmp_path, {"Export": TICKETS})
    again = await importer.import_tickets(clean_db, tenant, other, embedder=LexicalOnly())
    assert (again.created, again.updated, again.unchanged) == (0, 0, 2)


@pytest.mark.parametrize("name", ["a.xls", "a.xlsx"])
def test_a_table_of_text_under_a_workbooks_name_is_read_as_the_table_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes("Number\tSubject\n1\tDrückt\n".encode("cp1252"))
    assert [row.data for row in read_rows(path)] == [{"Number": "1", "Subject": "Drückt"}]


def test_a_sheet_as_large_as_it_can_be_is_read_by_its_filled_rows(tmp_path: Path) -> None:
    rows = office.sheet_data([["Number", "Subject"], ["1", "a"]])
    path = tmp_path / "a.xlsx"
    path.write_bytes(office.workbook_of({"A": rows + '<row r="1048576"><c r="A1048576"><v>2</v></c></row>'}))
    assert [row.where for row in read_rows(path)] == ["row 2", "row 1048576"]


GOOD = office.workbook({"A": TICKETS})
CORNERS = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.xlsx", GOOD[: len(GOOD) // 2], r"^a.xlsx cannot be read as a workbook \(.+\)\.$"),
        ("a.xlsx", office.archive({"readme": "no workbook"}), r"^a.xlsx cannot be read as a workbook \(.+\)\.$"),
        ("a.xlsx", office.word([("", "words")]), r"^a.xlsx cannot be read as a workbook \(.+\)\.$"),
        ("a.xls", b"\xd0\xcf\x11\xe0" + bytes(600), r"^a.xls cannot be read as a workbook \(.+\)\.$"),
        ("a.xlsx", office.workbook_of({"A": CORNERS}), "more time or memory"),
        ("a.xlsx", b"", "empty"),
        ("a.xls", b"<html><table>", "HTML or XML"),
    ],
)
def test_a_broken_workbook_is_one_clear_error(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=says):
        list(read_rows(path))


def test_a_workbook_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    blank = bytes(paper_reader.UNPACKED_BYTES // 8 + 1)
    path.write_bytes(office.archive({f"xl/media/{number}.bin": blank for number in range(8)}))
    assert path.stat().st_size < paper_reader.UNPACKED_BYTES / 100
    with pytest.raises(UnreadableFileError, match="1024 MB unpacked"):
        list(read_rows(path))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a sparse file")
def test_a_file_that_is_too_large_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(apart.LARGEST_FILE + 1)
    with pytest.raises(UnreadableFileError, match="larger than 100 MB"):
        list(read_rows(path))


def test_a_workbook_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="No such file"):
        list(read_rows(tmp_path / "none.xlsx"))
