"""Verdicts on notes over the API and on the run's page."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from tests.support.console import Console
from tests.support.meanings import Meanings, at
from tests.support.verdicts import Note, kept, write_note

from deskhand.access.principal import Person, Principal
from deskhand.audit.models import AuditLog
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.models import TicketHistory
from deskhand.knowledge.shelves import service as shelves
from deskhand.knowledge.shelves.schemas import SearchQuery
from deskhand.knowledge.verdicts.grounds import Searched, keep_grounds
from deskhand.knowledge.verdicts.schemas import VerdictGiven
from deskhand.knowledge.verdicts.service import of_notes, voice_of
from deskhand.plugins.contract import Ticket

UP: dict[str, Any] = {"feedback_type": "thumbs_up"}
DOWN: dict[str, Any] = {"feedback_type": "thumbs_down", "feedback_comment": "  Wrong printer. "}
EVIL = '<img src=x onerror="alert(1)">'


async def test_of_one_voice_the_last_verdict_on_a_note_counts(console: Console, note: Note) -> None:
    one, other = await console.client(role="operator"), await console.client(role="operator")

    first = await one.post(note.api, json=UP)
    again = await one.post(note.api, json=DOWN)
    await other.post(note.api, json={"feedback_type": "rating", "rating_value": 4})

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["created_at"] > first.json()["created_at"]
    assert (again.json()["ticket_id"], again.json()["enhancement_id"]) == ("1042", str(note.run_id))
    assert sorted((row[1], row[2], row[3]) for row in await kept(console)) == [
        ("rating", 4, None),
        ("thumbs_down", None, "Wrong printer."),
    ]
    listed = (await other.get(note.api)).json()["items"]
    assert [one["feedback_type"] for one in listed] == ["rating", "thumbs_down"]
    assert all(one["technician_email"].startswith("api-key:") for one in listed)
    async with console.db.tenant_session("acme") as session:
        rows = (await session.scalars(select(AuditLog).order_by(AuditLog.sequence))).all()
    assert [(row.operation, row.resource_id) for row in rows] == [("feedback.give", str(note.run_id))] * 3


def test_a_person_has_one_voice_however_they_came_in() -> None:
    person = Person(user_id=uuid4(), email="ann@example.com", name=None, is_platform_admin=False)
    principal = Principal(kind="person", tenant_id="acme", role="operator", actor="user:ann@example.com", person=person)

    assert voice_of(principal) == "ann@example.com"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"feedback_type": "applause"},
        {"feedback_type": "rating"},
        {"feedback_type": "rating", "rating_value": 6},
        {"feedback_type": "rating", "rating_value": 0},
        {"feedback_type": "thumbs_up", "rating_value": 5},
        {**UP, "feedback_comment": "x" * 2001},
        {**UP, "feedback_comment": "\x00"},
        {**UP, "technician_email": "boss@example.com"},
    ],
)
async def test_what_is_no_verdict_is_refused(console: Console, note: Note, wrong: dict[str, Any]) -> None:
    client = await console.client(role="operator")

    assert (await client.post(note.api, json=wrong)).status_code == 422
    assert await kept(console) == []


async def test_a_verdict_is_for_operators_of_the_tenant_and_on_a_note(console: Console, note: Note) -> None:
    agent = await console.agent(name="Other")
    silent = await console.execution(agent, status="completed")
    viewer, stranger = await console.client(role="viewer"), await console.client("globex")
    operator = await console.client(role="operator")

    assert (await viewer.post(note.api, json=UP)).status_code == 403
    assert (await viewer.get(note.api)).json() == {"items": []}
    for client, run in ((stranger, note.run_id), (operator, silent), (operator, uuid4())):
        for answer in (
            await client.post(f"/api/v1/executions/{run}/feedback", json=UP),
            await client.get(f"/api/v1/executions/{run}/feedback"),
        ):
            assert answer.status_code == 404
            assert "no note" in answer.json()["detail"]
    assert await kept(console) == []


async def test_verdicts_are_listed_page_by_page_and_by_what_is_asked(console: Console) -> None:
    agent = await console.agent()
    notes = [await write_note(console, agent, ticket=f"10{number}") for number in range(3)]
    client = await console.client(role="operator")
    for note, verdict in zip(notes, (UP, DOWN, UP), strict=True):
        await client.post(note.api, json=verdict)

    first = (await client.get("/api/v1/feedback", params={"limit": 2})).json()
    rest = (await client.get("/api/v1/feedback", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    down = (await client.get("/api/v1/feedback", params={"feedback_type": "thumbs_down"})).json()
    ticket = (await client.get("/api/v1/feedback", params={"ticket_id": "102"})).json()

    assert [one["ticket_id"] for one in first["items"] + rest["items"]] == ["102", "101", "100"]
    assert rest["next_cursor"] is None
    assert [one["ticket_id"] for one in down["items"]] == ["101"]
    assert [one["ticket_id"] for one in ticket["items"]] == ["102"]
    stranger = await console.client("globex")
    assert (await stranger.get("/api/v1/feedback")).json()["items"] == []


async def test_the_runs_page_shows_and_takes_verdicts(console: Console, note: Note) -> None:
    viewer, operator = await console.browser(role="viewer"), await console.browser(role="operator")
    assert "What people said" not in (await viewer.get(note.page)).text
    page = (await operator.get(note.page)).text
    token = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert "Nobody has said yet" in page
    assert token
    form = {"verdict": "thumbs_down", "comment": EVIL}

    refused = [
        await viewer.post(f"{note.page}/feedback", data={**form, "csrf": token[1]}),
        await operator.post(f"{note.page}/feedback", data=form),
        await operator.post(f"{note.page}/feedback", data={"verdict": "rating", "csrf": token[1]}),
    ]
    done = await operator.post(f"{note.page}/feedback", data={**form, "csrf": token[1]})

    assert [answer.status_code for answer in refused] == [403, 403, 422]
    assert (done.status_code, done.headers["location"]) == (303, note.page)
    assert [(row[1], row[3]) for row in await kept(console)] == [("thumbs_down", EVIL)]
    seen = (await viewer.get(note.page)).text
    assert "What people said" in seen
    assert EVIL not in seen
    assert "do-thumbs-up" not in seen


async def test_a_run_that_wrote_no_note_has_no_verdicts_on_its_page(console: Console) -> None:
    run = await console.execution(await console.agent(), status="completed")

    assert "What people said" not in (await (await console.browser()).get(f"/executions/{run}")).text


def test_a_comment_of_blanks_is_none() -> None:
    assert VerdictGiven(feedback_type="thumbs_up", feedback_comment=" \n").feedback_comment is None


async def test_of_several_notes_each_has_its_own_verdicts_and_what_wrote_none_is_left_out(
    console: Console, note: Note
) -> None:
    agent = await console.agent(name="Other")
    unjudged, silent = await write_note(console, agent, ticket="7"), await console.execution(agent, ticket="8")
    one, other = await console.client(role="operator"), await console.client(role="operator")
    await one.post(note.api, json=UP)
    await other.post(note.api, json=DOWN)
    async with console.db.tenant_session("acme") as session:
        said = await of_notes(session, [note.run_id, unjudged.run_id, silent, uuid4()])
    assert {run: [verdict.feedback_type for verdict in given] for run, given in said.items()} == {
        note.run_id: ["thumbs_down", "thumbs_up"],
        unjudged.run_id: [],
    }
    async with console.db.tenant_session("globex") as session:
        assert await of_notes(session, [note.run_id]) == {}


@pytest.mark.parametrize(
    ("back", "where"),
    [
        ("", None),
        ("/tickets/jira/HELP-7", "/tickets/jira/HELP-7"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
async def test_the_form_leads_back_to_a_page_of_ours(
    console: Console, note: Note, back: str, where: str | None
) -> None:
    browser = await console.browser(role="operator")
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', (await browser.get(note.page)).text)
    assert csrf
    form = {"csrf": csrf[1], "verdict": "thumbs_up", "back": back}
    answer = await browser.post(f"{note.page}/feedback", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, where or note.page)


async def test_a_search_says_how_many_found_a_source_useful(
    console: Console, note: Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = Meanings({"jam": at(1.0)})
    monkeypatch.setattr("deskhand.knowledge.search.load_embedder", lambda: kinds)
    async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        session.add(
            TicketHistory(tenant_id="acme", tool_type="jira", ticket_id="IT-9", description="The printer jams.")
        )
        await session.flush()
        await keep_grounds(
            session, tenant_id="acme", run_id=note.run_id, cited=[("ticket", "IT-9")],
            ticket=Ticket(tool_type="jira", id="77", display_id="77", subject="jam"),
            searched=Searched(EVERY_COMPANY, at(1.0), kinds.name),
        )  # fmt: skip
    client, reader = await console.client(role="operator"), await console.browser("acme", "viewer")
    query = {"q": "The printer jams."}

    async def why() -> tuple[Any, Any]:
        async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
            (hit,) = await shelves.search(session, SearchQuery(q=query["q"]))
        return hit.why.useful, hit.why.useless

    assert await why() == (0, 0)
    await client.post(note.api, json=UP)
    assert await why() == (1, 0)
    assert (
        "<strong>1</strong> person found it useful for a ticket like this"
        in (await reader.get("/knowledge", params=query)).text
    )
    await client.post(note.api, json=DOWN)
    assert await why() == (0, 1)
    page = (await reader.get("/knowledge", params=query)).text
    assert "<strong>1</strong> person found it of no use for a ticket like this" in page
