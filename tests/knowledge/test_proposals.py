"""Headings in other languages: what they may be is proposed, and nothing is taken without being said."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.support import office

from deskhand.cli.content import _columns
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.exports import UnreadableFileError, proposals
from deskhand.knowledge.exports.columns import SYSTEM_VOCABULARY, TICKET_VOCABULARY, Vocabulary
from deskhand.knowledge.exports.files import read_rows
from deskhand.knowledge.exports.proposals import as_options, proposed
from deskhand.knowledge.exports.survey import survey

GERMAN = {
    "Vorgangsnummer": "ticket_id",
    "Betreff": "subject",
    "Beschreibung der Störung": "description",
    "Lösung": "resolution",
    "Gelöst am": "resolved_date",
    "Priorität": "priority",
}


@pytest.mark.parametrize(
    ("names", "vocabulary", "wanted"),
    [
        ([*GERMAN, "Etage"], TICKET_VOCABULARY, GERMAN),
        (["id", "Asunto", "Solución"], TICKET_VOCABULARY, {"Asunto": "subject", "Solución": "resolution"}),
        (["N°", "Objet", "Résolution"], TICKET_VOCABULARY, {"Objet": "subject", "Résolution": "resolution"}),
        (["Number", "Subject", "Betreff"], TICKET_VOCABULARY, {}),
        (["Betreff", "Titel"], TICKET_VOCABULARY, {"Betreff": "subject"}),
        (["Wie gelöst", "Gelöst am"], TICKET_VOCABULARY, {"Wie gelöst": "resolution", "Gelöst am": "resolved_date"}),
        (["Rechnername", "Kunde"], SYSTEM_VOCABULARY, {}),
        (["", "x" * 10_000, "—"], TICKET_VOCABULARY, {}),
    ],
)
def test_what_a_heading_may_be(names: list[str], vocabulary: Vocabulary, wanted: dict[str, str]) -> None:
    assert proposed(names, vocabulary) == wanted


def test_what_is_proposed_can_be_given_to_the_command_as_it_is() -> None:
    options = shlex.split(as_options(GERMAN))
    assert set(options[::2]) == {"--column"}
    assert _columns(options[1::2]) == GERMAN


async def test_a_file_that_lacks_its_columns_is_refused_with_a_proposal_that_imports_it(
    clean_db: Database, tenant: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    values = ["77", "VPN drops", "Since today", "Opened the port", "20.11.2026", "high"]
    path.write_text("\n".join(";".join(row) for row in (GERMAN, values)), encoding="cp1252")
    with pytest.raises(UnreadableFileError, match='perhaps: --column "Vorgangsnummer=ticket_id"'):
        await importer.import_tickets(clean_db, tenant, path, embedder=LexicalOnly())
    report = await importer.import_tickets(clean_db, tenant, path, columns=GERMAN, embedder=LexicalOnly())
    assert (report.created, report.ignored_columns, report.proposed_columns) == (1, [], {})


async def test_a_column_that_may_be_the_solution_is_proposed_after_an_import_without_it(
    clean_db: Database, tenant: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Number,Subject,Lösung\n1,VPN drops,Opened the port\n", encoding="utf-8")
    report = await importer.import_tickets(clean_db, tenant, path, embedder=LexicalOnly())
    assert (report.created, report.proposed_columns) == (1, {"Lösung": "resolution"})


def test_a_word_means_one_field_that_a_ticket_has_and_that_nothing_else_names() -> None:
    words = [(field, word) for field, known in proposals._WORDS.items() for word in known.split()]
    assert {field for field, _ in words} <= set(TICKET_VOCABULARY.fields)
    assert len({word for _, word in words}) == len(words)
    known = {name for names in TICKET_VOCABULARY.fields.values() for name in names}
    # "résolution" loses its accent on the way and is no heading of ours with it.
    assert {word for _, word in words} & known == {"resolution"}


def test_where_nothing_is_to_propose_the_refusal_says_what_it_may_be_called(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Floor,Room\n1,2\n", encoding="utf-8")
    with pytest.raises(UnreadableFileError, match=r"It has: Floor, Room\. .* with --column\.$"):
        survey(path.name, read_rows(path), TICKET_VOCABULARY)


async def test_a_workbook_with_headings_of_another_language_comes_in_with_what_was_proposed(
    clean_db: Database, tenant: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.xlsx"
    rows = [["Vorgang", "Betreff", "Wie gelöst"], [77.0, "VPN drops", "Opened the port"]]
    path.write_bytes(office.workbook({"Legende": [["Farbe"], ["rot"]], "Vorgänge": rows}))
    columns = proposed(map(str, rows[0]), TICKET_VOCABULARY)
    assert columns == {"Vorgang": "ticket_id", "Betreff": "subject", "Wie gelöst": "resolution"}
    report = await importer.import_tickets(clean_db, tenant, path, columns=columns, embedder=LexicalOnly())
    assert (report.created, report.unread_sheets) == (1, ["Legende"])
