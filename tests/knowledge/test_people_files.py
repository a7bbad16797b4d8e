"""Files as people really have them: one table, saved by many programs, is one and the same history."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.exports.columns import TICKET_VOCABULARY
from deskhand.knowledge.exports.files import read_rows
from deskhand.knowledge.exports.survey import survey
from deskhand.knowledge.exports.tickets import ticket_fields
from deskhand.knowledge.schemas import TicketRow

HEADINGS = ["Number", "Short description", "Description", "Resolution notes", "Resolved"]
ROWS = [
    ["10482", "Drucker im Büro druckt grau", "Seit heute früh.", "Toner getauscht, Gerät neu gestartet", "20.11.2026"],
    ["10483", "VPN drops; every ten minutes", 'It says "809", twice', "Opened the port", "21.11.2026"],
]
WANTED = [
    (
        "10482",
        "Drucker im Büro druckt grau",
        "Toner getauscht, Gerät neu gestartet",
        datetime(2026, 11, 20, tzinfo=UTC),
    ),
    ("10483", "VPN drops; every ten minutes", "Opened the port", datetime(2026, 11, 21, tzinfo=UTC)),
]


def table(mark: str, *, ends: str = "\n", headings: list[str] = HEADINGS, rows: list[list[str]] = ROWS) -> str:
    """Quoted where it has to be, as spreadsheets do."""

    def cell(value: str) -> str:
        special = any(one in value for one in (mark, '"', "\n"))
        return '"' + value.replace('"', '""') + '"' if special else value

    return ends.join(mark.join(cell(value) for value in row) for row in (headings, *rows)) + ends


FILES: dict[str, tuple[str, bytes]] = {
    "commas": ("a.csv", table(",").encode()),
    "semicolons": ("a.csv", table(";").encode()),
    "tabs": ("a.tsv", table("\t").encode()),
    "tabs in a file called csv": ("a.csv", table("\t").encode()),
    "bars": ("a.txt", table("|").encode()),
    "a byte order mark": ("a.csv", table(";").encode("utf-8-sig")),
    "Windows-1252": ("a.csv", table(";").encode("cp1252")),
    "UTF-16": ("a.txt", table("\t").encode("utf-16")),
    "line ends of Windows": ("a.csv", table(";", ends="\r\n").encode("cp1252")),
    "a line that names the mark": ("a.csv", b"sep=;\r\n" + table(";", ends="\r\n").encode("cp1252")),
    "a title above the header": ("a.csv", b"Tickets of November\n\n" + table(";").encode()),
    "empty rows": ("a.csv", table(";", rows=[ROWS[0], ["", "", "", "", ""], ROWS[1]]).encode()),
    "headings in capitals": ("a.csv", table(";", headings=[one.upper() for one in HEADINGS]).encode()),
    "headings with blanks": ("a.csv", table(";", headings=[f" {one} " for one in HEADINGS]).encode()),
    "other dates": (
        "a.csv",
        table(";", rows=[[*ROWS[0][:4], "2026-11-20"], [*ROWS[1][:4], "2026-11-21T00:00:00Z"]]).encode(),
    ),
    "JSON lines": (
        "a.jsonl",
        "\n".join(json.dumps(dict(zip(HEADINGS, row, strict=True))) for row in ROWS).encode(),
    ),
    "a JSON list": (
        "a.json",
        json.dumps([dict(zip(HEADINGS, row, strict=True)) for row in ROWS], ensure_ascii=False).encode(),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_however_a_table_was_saved_it_says_the_same(tmp_path: Path, name: str) -> None:
    file, content = FILES[name]
    path = tmp_path / file
    path.write_bytes(content)
    order = survey(path.name, read_rows(path, TICKET_VOCABULARY), TICKET_VOCABULARY).order
    rows = [
        TicketRow.model_validate(dict(ticket_fields(one.data, vocabulary=TICKET_VOCABULARY, order=order)))
        for one in read_rows(path, TICKET_VOCABULARY)
        if one.data is not None
    ]
    assert [(row.ticket_id, row.subject, row.resolution, row.resolved_date) for row in rows] == WANTED


BAD: dict[str, list[str]] = {
    "no number": ["", *ROWS[1][1:]],
    "no words": [ROWS[1][0], "", "", *ROWS[1][3:]],
    "a number that a spreadsheet shortened": ["1.05E+10", *ROWS[1][1:]],
    "no date": [*ROWS[1][:4], "the day before"],
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_row_is_one_bad_row(clean_db: Database, tenant: str, tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    last = ["10484", *ROWS[0][1:]]
    path.write_text(table(";", rows=[ROWS[0], BAD[name], last]), encoding="utf-8")
    report = await importer.import_tickets(clean_db, tenant, path, on_error="continue", embedder=LexicalOnly())
    assert (report.created, report.failed) == (2, 1)
    assert "3" in report.problems[0].where, "the place in the file is told"
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        numbers = await session.scalars(text("SELECT ticket_id FROM ticket_history ORDER BY ticket_id"))
        assert list(numbers) == ["10482", "10484"]


async def test_headings_of_ones_own_are_named_once_and_the_rest_is_told(
    clean_db: Database, tenant: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    headings = ["Vorgang", "Kurzbeschreibung", "Langtext", "Wie gelöst", "Gelöst am", "Etage"]
    path.write_text(table(";", headings=headings, rows=[[*row, "2"] for row in ROWS]), encoding="cp1252")
    report = await importer.import_tickets(
        clean_db,
        tenant,
        path,
        columns={
            "Vorgang": "ticket_id",
            "Kurzbeschreibung": "subject",
            "Langtext": "description",
            "Wie gelöst": "resolution",
            "Gelöst am": "resolved_date",
        },
        embedder=LexicalOnly(),
    )
    assert (report.created, report.failed) == (2, 0)
    assert report.ignored_columns == ["Etage"]
