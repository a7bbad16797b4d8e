"""Imports on the real database: formats, refusals, upserts, and going on after kill -9."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.conftest import DatabaseUrls, MakeTenant
from tests.knowledge.conftest import Remembering
from tests.knowledge.paraphrases import DATA, TENANT

from deskhand.errors import InvalidInputError, NotFoundError
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer, search
from deskhand.knowledge.batches import ImportStoppedError
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.exports import UnreadableFileError
from deskhand.knowledge.exports.articles import read_articles
from deskhand.knowledge.exports.files import read_rows

WORDS = LexicalOnly()


def ticket(number: int, **fields: object) -> dict[str, object]:
    return {"ticket_id": f"T-{number}", "subject": f"Ticket {number}", "description": "It is broken.", **fields}


def write_lines(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


async def stored(db: Database, columns: str = "ticket_id") -> list[tuple[object, ...]]:
    async with db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        return [tuple(row) for row in await session.execute(text(f"SELECT {columns} FROM ticket_history ORDER BY 1"))]


async def test_a_second_import_changes_nothing_and_asks_no_model(
    clean_db: Database, tenant: str, embedder: Remembering
) -> None:
    path = DATA / "resolved_tickets.jsonl"
    first = await importer.import_tickets(clean_db, tenant, path, embedder=embedder)
    asked = embedder.asked
    second = await importer.import_tickets(clean_db, tenant, path, embedder=embedder)
    assert (first.created, first.unchanged) == (58, 0)
    assert (second.created, second.updated, second.unchanged) == (0, 0, 58)
    assert embedder.asked == asked
    assert len(await stored(clean_db)) == 58
    assert await stored(clean_db, "DISTINCT cardinality(embedding), embedding_model") == [(384, embedder.name)]


async def test_a_changed_row_is_updated_and_embedded_only_when_its_text_changed(
    clean_db: Database, tenant: str, tmp_path: Path, embedder: Remembering
) -> None:
    rows = [ticket(1), ticket(2), ticket(3)]
    await importer.import_tickets(clean_db, tenant, write_lines(tmp_path / "a.jsonl", rows), embedder=embedder)
    asked = embedder.asked
    changed = [ticket(1, category="network"), ticket(2, resolution="Replaced the cable."), ticket(3)]
    report = await importer.import_tickets(
        clean_db, tenant, write_lines(tmp_path / "b.jsonl", changed), embedder=embedder
    )
    assert (report.created, report.updated, report.unchanged) == (0, 2, 1)
    assert embedder.asked == asked + 1
    assert await stored(clean_db, "ticket_id, category, resolution, embedding IS NOT NULL") == [
        ("T-1", "network", None, True),
        ("T-2", None, "Replaced the cable.", True),
        ("T-3", None, None, True),
    ]


async def test_vectors_are_made_when_the_model_arrives_later(
    clean_db: Database, tenant: str, tmp_path: Path, embedder: Remembering
) -> None:
    path = write_lines(tmp_path / "a.jsonl", [ticket(1)])
    await importer.import_tickets(clean_db, tenant, path, embedder=WORDS)
    assert await stored(clean_db, "embedding IS NULL, embedding_model") == [(True, None)]
    report = await importer.import_tickets(clean_db, tenant, path, embedder=embedder)
    assert report.updated == 1
    assert await stored(clean_db, "embedding IS NULL, embedding_model") == [(False, embedder.name)]


async def test_the_same_tickets_come_out_of_json_lines_csv_and_json(
    clean_db: Database, tenant: str, tmp_path: Path
) -> None:
    rows = [ticket(number, tags=["a", "b"], resolved_date="2026-01-02T03:04:05Z") for number in range(120)]
    rows[7]["description"] = 'A "quoted", ümlaut line\nand another'
    listed = tmp_path / "t.json"
    listed.write_text(json.dumps(rows, indent=2, ensure_ascii=False), "utf-8")
    wrapped = tmp_path / "w.json"
    wrapped.write_text(json.dumps({"result": rows}), "utf-8")
    table = tmp_path / "t.csv"
    with table.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "tags": "a; b"} for row in rows)
    first = await importer.import_tickets(
        clean_db, tenant, write_lines(tmp_path / "t.jsonl", list(rows)), embedder=WORDS
    )
    assert first.created == 120
    for path in (listed, wrapped, table):
        report = await importer.import_tickets(clean_db, tenant, path, embedder=WORDS)
        assert (report.unchanged, report.updated, report.failed) == (120, 0, 0), path.name


async def test_an_export_of_servicenow_is_understood(clean_db: Database, tenant: str, tmp_path: Path) -> None:
    row = {
        "number": "INC1", "short_description": "Disk full", "description": "No space", "close_notes": "Cleaned up",
        "resolved_at": "2023-10-09 12:56:12", "category": {"display_value": "Hardware", "link": "x"}, "sys_id": "q",
    }  # fmt: skip
    path = tmp_path / "incidents.json"
    path.write_text(json.dumps({"result": [row]}), "utf-8")
    await importer.import_tickets(clean_db, tenant, path, tool_type="servicenow", source="export", embedder=WORDS)
    assert await stored(clean_db, "tool_type, ticket_id, subject, resolution, category, resolved_date, source") == [
        ("servicenow", "INC1", "Disk full", "Cleaned up", "Hardware",
         datetime(2023, 10, 9, 12, 56, 12, tzinfo=UTC), "export")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "field", "says"),
    [
        ({"subject": "x"}, "ticket_id", "required"),
        (ticket(1, priority="p" * 51), "priority", "at most 50"),
        (ticket(1, resolved_date="yesterday"), "resolved_date", "not a date"),
        (ticket(1, resolved_date="03/04/2026"), "resolved_date", "--dates day-first"),
        (ticket(1, url="javascript:alert(1)"), "url", "pattern"),
        (ticket(1, description="x" * 200_001), "description", "200000"),
        ({"ticket_id": "9"}, "", "nothing to search"),
        ([1, 2], "", "not an object"),
    ],
)
async def test_a_refused_row_names_its_line_and_field(
    clean_db: Database, tenant: str, tmp_path: Path, row: object, field: str, says: str
) -> None:
    path = write_lines(tmp_path / "t.jsonl", [ticket(100), row, ticket(101)])
    with pytest.raises(ImportStoppedError) as stopped:
        await importer.import_tickets(clean_db, tenant, path, embedder=WORDS)
    problem = stopped.value.problem
    assert (problem.where, problem.field) == ("line 2", field)
    assert says in problem.detail
    assert await stored(clean_db) == [("T-100",)]  # what came before is kept
    report = await importer.import_tickets(clean_db, tenant, path, embedder=WORDS, on_error="continue")
    assert (report.created, report.unchanged, report.failed) == (1, 1, 1)
    assert str(report.problems[0]).startswith("line 2: ")


async def test_what_only_the_database_refuses_is_one_row_of_its_batch(
    clean_db: Database, tenant: str, tmp_path: Path
) -> None:
    words = " ".join(f"{'ж' * 30}{number}" for number in range(6_000))[:199_000]  # thrice more than can be indexed
    too_much = ticket(7, subject=words, description=words.replace("ж", "щ"), resolution=words.replace("ж", "ю"))
    rows: list[object] = [ticket(1), too_much, ticket(2)]
    path = write_lines(tmp_path / "t.jsonl", rows)
    report = await importer.import_tickets(clean_db, tenant, path, embedder=WORDS, on_error="continue")
    assert (report.created, report.failed) == (2, 1)
    assert report.problems[0].where == "line 2"
    assert "cannot be stored" in report.problems[0].detail
    assert await stored(clean_db) == [("T-1",), ("T-2",)]


@pytest.mark.parametrize("odd", ["\x00", "\ud83d", "\udc00 x"])
async def test_characters_nobody_can_store_cost_no_row(
    clean_db: Database, tenant: str, tmp_path: Path, odd: str
) -> None:
    rows: list[object] = [ticket(1, subject=f"a{odd}b", category=odd + "c", priority="p" + odd, tags=[odd + "t"])]
    report = await importer.import_tickets(clean_db, tenant, write_lines(tmp_path / "t.jsonl", rows), embedder=WORDS)
    assert (report.created, report.failed) == (1, 0)


async def test_rows_that_name_no_desk_belong_to_the_tenants_own(
    clean_db: Database, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    await make_tenant(TENANT)
    async with clean_db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        await session.execute(text("UPDATE tenant_configs SET tool_type = 'zendesk'"))
    path = write_lines(tmp_path / "t.jsonl", [ticket(1), ticket(2, tool_type="jira")])
    await importer.import_tickets(clean_db, TENANT, path, embedder=WORDS)
    await importer.import_tickets(
        clean_db, TENANT, write_lines(tmp_path / "u.jsonl", [ticket(3)]), tool_type="servicenow", embedder=WORDS
    )
    assert await stored(clean_db, "ticket_id, tool_type") == [
        ("T-1", "zendesk"), ("T-2", "jira"), ("T-3", "servicenow"),
    ]  # fmt: skip


async def test_what_is_wrong_is_said_before_a_model_is_loaded(
    clean_db: Database, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("deskhand.knowledge.batches.load_embedder", load)
    path = write_lines(tmp_path / "t.jsonl", [ticket(1)])
    with pytest.raises(NotFoundError, match="no tenant 'nobody'"):
        await importer.import_tickets(clean_db, "nobody", path)
    with pytest.raises(InvalidInputError, match="no field of a ticket"):
        await importer.import_tickets(clean_db, tenant, path, columns={"Betreff": "title"})
    odd = tmp_path / "odd.csv"
    odd.write_text("Betreff,Nummer\nVPN,7\n", "utf-8")
    with pytest.raises(UnreadableFileError, match="no column for ticket_id"):
        await importer.import_tickets(clean_db, tenant, odd)
    with pytest.raises(UnreadableFileError, match="no column for hostname"):
        await importer.import_systems(clean_db, tenant, odd)
    with pytest.raises(UnreadableFileError, match="no column for article_id"):
        await importer.import_articles(clean_db, tenant, odd)
    names = {"Betreff": "subject", "nummer": "ticket_id"}
    report = await importer.import_tickets(clean_db, tenant, odd, columns=names, embedder=WORDS)
    assert report.created == 1


async def test_a_broken_line_is_left_out_when_asked_to_go_on(clean_db: Database, tenant: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(ticket(1)) + "\n{broken\n\n" + json.dumps(ticket(2)) + "\n", "utf-8")
    report = await importer.import_tickets(clean_db, tenant, path, embedder=WORDS, on_error="continue")
    assert (report.created, report.failed) == (2, 1)
    assert report.problems[0].where == "line 2"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.xml", b"", "none of"),
        ("t.csv", b"", "empty"),
        ("t.json", b" \n", "empty"),
        ("t.csv", b"PK\x03\x04...", "Excel workbook"),
        ("t.csv", b"<html><table>", "HTML"),
        ("t.json", b'[{"ticket_id": "1"}', "not closed"),
        ("t.json", b'[{"ticket_id": ', "Not JSON"),
        ("t.json", b'"text"', "a list"),
        ("t.json", b'{"other": []}', "holds no list"),
        ("t.json", b'[{"ticket_id": "1"}, {"ticket_id" "2"}]', "line 1 \\(item 2\\)|Not JSON in line 1"),
        ("t.json", b'{"result": [{"number": "1"}], "more"', "Not JSON in line 1"),
    ],
)
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=says):
        list(read_rows(path))


def test_a_missing_file_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="No such file"):
        list(read_rows(tmp_path / "none.csv"))


def test_json_is_streamed_across_its_chunks(tmp_path: Path) -> None:
    rows = [{"ticket_id": str(number), "description": "ä" * 30_000, "number": 10**number} for number in range(12)]
    path = tmp_path / "big.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    read = list(read_rows(path))
    assert [row.data for row in read] == rows
    assert read[0].fraction < 0.5
    assert read[-1].fraction == 1.0


async def test_two_tenants_may_have_the_same_ticket_ids(
    clean_db: Database, tenant: str, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    await make_tenant("other")
    path = write_lines(tmp_path / "t.jsonl", [ticket(1), ticket(1, subject="Later")])
    for one in (tenant, "other"):
        report = await importer.import_tickets(clean_db, one, path, embedder=WORDS)
        assert report.created == 1
    assert await stored(clean_db, "ticket_id, subject") == [("T-1", "Later")]


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.support.logins import open_database
from deskhand.knowledge import importer, search
from deskhand.knowledge.embedding import LexicalOnly

async def main():
    db = open_database(sys.argv[1])
    await importer.import_tickets(db, sys.argv[2], Path(sys.argv[3]), embedder=LexicalOnly(),
                                 progress=lambda report: print(report.done, flush=True))
asyncio.run(main())
"""


async def test_an_import_goes_on_after_kill_9(
    clean_db: Database, tenant: str, tmp_path: Path, database_urls: DatabaseUrls
) -> None:
    path = write_lines(tmp_path / "t.jsonl", [ticket(number) for number in range(5000)])
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, database_urls.app_url, tenant, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child.stdout:
        for line in child.stdout:
            if int(line) >= 300:
                child.send_signal(signal.SIGKILL)
                break
    assert child.wait() == -signal.SIGKILL
    before = len(await stored(clean_db))
    assert 300 <= before < 5000
    report = await importer.import_tickets(clean_db, tenant, path, embedder=WORDS)
    # A batch under way when the process died is stored whole or not at all, so the sum is exact.
    assert (report.created, report.unchanged, report.updated) == (5000 - before, before, 0)
    assert len(await stored(clean_db, "DISTINCT ticket_id")) == len(await stored(clean_db)) == 5000


async def test_progress_moves_from_start_to_end(clean_db: Database, tenant: str, tmp_path: Path) -> None:
    seen: list[tuple[int, float | None]] = []
    path = write_lines(tmp_path / "t.jsonl", [ticket(number) for number in range(130)])
    await importer.import_tickets(
        clean_db, tenant, path, embedder=WORDS, progress=lambda report: seen.append((report.done, report.fraction))
    )
    assert [done for done, _ in seen] == [50, 100, 130]
    fractions = [fraction or 0.0 for _, fraction in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


# -- articles and systems ------------------------------------------------------------------------


async def test_the_demo_articles_arrive_as_markdown_with_their_source(known: Database) -> None:
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        rows = await session.execute(text("SELECT article_id, title, body, tags, source FROM knowledge_articles"))
    articles = {row.article_id: row for row in rows}
    sources = [row.source for row in articles.values()]
    real, invented = articles["WA-onboarding-a-new-user"], articles["KB-VPN"]
    assert [sources.count(source) for source in ("workarena", "synthetic")] == [11, 13]
    assert len(sources) == 24
    assert real.body.startswith("This document outlines the procedure")
    assert "### 1. Create a User Account" in real.body
    assert "<" not in real.body
    assert "/now/nav" not in real.body  # links of the page it came from lead nowhere here
    assert invented.title == "VPN does not connect or keeps dropping"
    assert invented.tags == ["vpn", "remote access"]


def test_html_is_sanitised_on_the_way_in(tmp_path: Path) -> None:
    path = tmp_path / "steps.html"
    path.write_text("<h2>Steps</h2><script>alert(1)</script><p onclick=x>Go <a href='javascript:1'>on</a></p>", "utf-8")
    (row,) = read_articles(path)
    assert row.data == {"article_id": "steps", "title": "Steps", "body": "Go on"}


def test_documents_bring_their_title_and_id(tmp_path: Path) -> None:
    (tmp_path / "vpn-help.md").write_text("# VPN help\n\nCall us.", "utf-8")
    (tmp_path / "page.html").write_text("<title>Page</title><p>Text</p>", "utf-8")
    (tmp_path / "README.md").write_text("# About", "utf-8")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    empty = tmp_path / "empty"
    empty.mkdir()
    found = [row.data for row in read_articles(tmp_path)]
    assert found == [
        {"article_id": "page", "title": "Page", "body": "Text"},
        {"article_id": "vpn-help", "title": "VPN help", "body": "Call us."},
    ]
    with pytest.raises(UnreadableFileError, match="holds no article"):
        list(read_articles(empty))


async def test_systems_keep_what_has_no_column(clean_db: Database, tenant: str, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("hostname,ip_address,aliases,owner\nsrv-1,10.0.0.1,SAP;ERP,Finance\nsrv-2,,,\n", "utf-8")
    report = await importer.import_systems(clean_db, tenant, path)
    again = await importer.import_systems(clean_db, tenant, path)
    assert (report.created, again.unchanged) == (2, 2)
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        hits = await search.find_systems(session, "The ERP does not start")
    assert hits[0].hostname == "srv-1"
    assert hits[0].attributes == {"owner": "Finance"}
    path.write_text("hostname,ip_address\nsrv-3,10.0.0.999\n", "utf-8")
    with pytest.raises(ImportStoppedError, match="line 2: ip_address"):
        await importer.import_systems(clean_db, tenant, path)


def test_no_ticket_is_both_history_and_new() -> None:
    rows = [json.loads(line) for line in (DATA / "resolved_tickets.jsonl").read_text("utf-8").splitlines()]
    filed = {one["number"] for one in json.loads((DATA / "new_tickets.json").read_text("utf-8"))}
    assert not filed & {row["ticket_id"] for row in rows}
    assert {row["source"] for row in rows} == {"synthetic", "workarena"}
