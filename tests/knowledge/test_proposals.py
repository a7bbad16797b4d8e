"""Headings in other languages: what they may be is proposed, and nothing is taken without being said."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.support import office

from deskhand.cli.content import _columns
from deskhand.errors import InvalidInputError
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer, search
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.exports import UnreadableFileError, proposals
from deskhand.knowledge.exports.articles import read_articles
from deskhand.knowledge.exports.columns import ARTICLE_VOCABULARY, SYSTEM_VOCABULARY, TICKET_VOCABULARY, Vocabulary
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
ARTICLE = {"Nummer": "article_id", "Titel": "title", "Inhalt": "body"}


@pytest.mark.parametrize(
    ("names", "vocabulary", "wanted"),
    [
        ([*GERMAN, "Etage"], TICKET_VOCABULARY, GERMAN),
        (["id", "Asunto", "Solución"], TICKET_VOCABULARY, {"Asunto": "subject", "Solución": "resolution"}),
        (["N°", "Objet", "Résolution"], TICKET_VOCABULARY, {"Objet": "subject", "Résolution": "resolution"}),
        (["Number", "Subject", "Betreff"], TICKET_VOCABULARY, {}),
        (["Betreff", "Titel"], TICKET_VOCABULARY, {"Betreff": "subject"}),
        (["Wie gelöst", "Gelöst am"], TICKET_VOCABULARY, {"Wie gelöst": "resolution", "Gelöst am": "resolved_date"}),
        (["Rechnername", "Kunde"], SYSTEM_VOCABULARY, {"Rechnername": "hostname"}),
        (["Nummer", "Titel", "Inhalt", "Etage"], ARTICLE_VOCABULARY, ARTICLE),
        (["number", "title", "Inhalt"], ARTICLE_VOCABULARY, {"Inhalt": "body"}),
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
    every = (ARTICLE_VOCABULARY, SYSTEM_VOCABULARY, TICKET_VOCABULARY)
    assert {field for field, _ in words} <= {field for one in every for field in one.fields}
    assert set(proposals._LIKE) <= set(ARTICLE_VOCABULARY.fields)
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


async def test_articles_with_headings_of_another_language_come_in_with_what_the_refusal_proposes(
    clean_db: Database, tenant: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Nummer;Titel;Inhalt\nKB1;VPN bricht ab;Port 1194 öffnen.\n", encoding="cp1252")
    with pytest.raises(UnreadableFileError, match='perhaps: --column "Nummer=article_id"'):
        await importer.import_articles(clean_db, tenant, path, embedder=LexicalOnly())
    report = await importer.import_articles(clean_db, tenant, path, columns=ARTICLE, embedder=LexicalOnly())
    assert report.created == 1
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        rows = await session.execute(text("SELECT article_id, title, body FROM knowledge_articles"))
    assert [tuple(row) for row in rows] == [("KB1", "VPN bricht ab", "Port 1194 öffnen.")]


async def test_systems_with_headings_of_another_language_come_in_with_what_the_refusal_proposes(
    clean_db: Database, tenant: str, tmp_path: Path
) -> None:
    path = tmp_path / "s.csv"
    path.write_text("Rechnername,Etage\nsrv-1,3\n", encoding="utf-8")
    with pytest.raises(UnreadableFileError, match='perhaps: --column "Rechnername=hostname"'):
        await importer.import_systems(clean_db, tenant, path)
    report = await importer.import_systems(clean_db, tenant, path, columns={"Rechnername": "hostname"})
    assert (report.created, report.proposed_columns) == (1, {})
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        (hit,) = await search.find_systems(session, "srv-1 is slow")
    assert (hit.hostname, hit.attributes) == ("srv-1", {"Etage": "3"})


@pytest.mark.parametrize(("importing", "row"), [("import_articles", "article"), ("import_systems", "system")])
async def test_a_column_is_no_field_that_such_a_row_does_not_have(
    clean_db: Database, tenant: str, tmp_path: Path, importing: str, row: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=f"resolution: no field of a {row}"):
        await getattr(importer, importing)(clean_db, tenant, path, columns={"a": "resolution"})


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Number,Short description,Text", "Open **the** port"),
        ("ID,Title,HTML", "Open **the** port"),
        ("Article ID,TITLE,Body", "<p>Open <b>the</b> port</p>"),
    ],
)
def test_articles_of_a_table_are_known_by_labels_as_well_as_by_names(tmp_path: Path, header: str, body: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\nKB1,VPN,<p>Open <b>the</b> port</p>\n", encoding="utf-8")
    (row,) = read_articles(path)
    assert row.data == {"article_id": "KB1", "title": "VPN", "body": body}
