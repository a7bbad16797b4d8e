"""The link in a note: what it counts for, and what a wrong one learns."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select
from tests.conftest import DatabaseUrls
from tests.support.console import Console
from tests.support.product import Product, running_product
from tests.support.verdicts import Note, kept

from deskhand.audit.models import AuditLog
from deskhand.errors import NotFoundError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.marks import strip_marks, verdict_line
from deskhand.knowledge.verdicts.link_pages import VOICE
from deskhand.knowledge.verdicts.links import LinkedNote, VerdictLinks
from deskhand.plugins.jira.adf_read import adf_to_markdown
from deskhand.plugins.jira.adf_write import markdown_to_adf
from deskhand.tenants.note_rules import NoteRules, note_rules

NOW = datetime(2026, 11, 29, 9, tzinfo=UTC)
UNTIL = NOW + timedelta(days=14)
PAGE = "/feedback/link"
GONE = "This link holds no more."


def links(*keys: str) -> VerdictLinks:
    return VerdictLinks(SecretBox(keys or (Fernet.generate_key().decode(),)), "https://desk.example.com")


def token_of(line: str) -> str:
    found = re.search(r"token=([^>)]+)", line)
    assert found, line
    return found[1]


# -- what a link is ---------------------------------------------------------------------------


def test_a_link_names_its_note_until_it_ends() -> None:
    ours, run = links(), uuid4()
    token = token_of(ours.line("acme-1", run, until=UNTIL))

    assert ours.read(token, now=UNTIL - timedelta(seconds=1)) == LinkedNote("acme-1", run)
    with pytest.raises(NotFoundError, match=GONE):
        ours.read(token, now=UNTIL)


def test_what_was_changed_in_a_link_makes_it_none() -> None:
    ours, run = links(), uuid4()
    token = token_of(ours.line("acme", run, until=UNTIL))
    tenant, named, until, signature = token.split(".")
    wrong = [
        f"globex.{named}.{until}.{signature}",
        f"{tenant}.{uuid4().hex}.{until}.{signature}",
        f"{tenant}.{named}.{int(until, 16) + 86_400:x}.{signature}",
        f"{tenant}.{named}.{until}.{'0' * 64}",
        f"{tenant}.{named}.{until}.",
        f"{tenant}.{named}.{until}",
        f"{token}0",
        token.upper(),
        "",
        "ü" * 250,
        token_of(links().line("acme", run, until=UNTIL)),
    ]
    for one in wrong:
        with pytest.raises(NotFoundError, match=GONE):
            ours.read(one, now=NOW)


def test_a_link_of_a_longer_installation_is_read_by_its_own_key_alone() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    token = token_of(links(old).line("acme", uuid4(), until=UNTIL))

    assert links(old).read(token, now=NOW)
    with pytest.raises(NotFoundError):
        links(new, old).read(token, now=NOW)


# -- what it looks like on a desk ---------------------------------------------------------------


def test_the_line_is_taken_out_however_a_desk_gives_it_back() -> None:
    line = links().line("acme", uuid4(), until=UNTIL)
    address = line.partition("(<")[2].rstrip(">)")
    given_back = [
        line,
        line.replace("<", "").replace(">", ""),
        f"Did this note help? ({address})",
        f"Did this note help? <{address}>",
        adf_to_markdown(markdown_to_adf(line)).strip(),
    ]

    assert [strip_marks(f"Reboot it.\n\n{one}\n\nRef: dh-{'0' * 20}").strip() for one in given_back] == [
        "Reboot it."
    ] * len(given_back)


def test_what_a_person_wrote_beside_the_link_stays() -> None:
    line = verdict_line("https://desk.example.com", "a.b")

    assert strip_marks(f"{line} No, it was the cable.").strip() == "No, it was the cable."
    assert strip_marks("Did this note help? I think not.") == "Did this note help? I think not."


@pytest.mark.parametrize(
    ("tenant", "rules"),
    [
        ({}, (False, 14)),
        ({"notes": {"verdict_link": True, "verdict_link_days": 3}}, (True, 3)),
        ({"notes": {"verdict_link": True, "verdict_link_days": 91}}, (False, 14)),
    ],
)
def test_a_link_is_written_where_the_tenant_wants_it(tenant: dict[str, Any], rules: tuple[bool, int]) -> None:
    read: NoteRules = note_rules(tenant)

    assert (read.verdict_link, read.verdict_link_days) == rules


# -- its page -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody with a link and without an account."""

    client: httpx2.AsyncClient
    token: str

    async def answer(self, verdict: str, **more: Any) -> httpx2.Response:
        headers = more.pop("headers", {})
        return await self.client.post(PAGE, data={"token": self.token, "verdict": verdict, **more}, headers=headers)


async def reader(console: Console, note: Note, *, tenant_id: str = "acme", until: datetime | None = None) -> Reader:
    ends = until or datetime.now(UTC) + timedelta(days=1)
    secrets = console.app.state.deskhand.secrets
    line = VerdictLinks(secrets, "https://desk.example.com").line(tenant_id, note.run_id, until=ends)
    client = await console.clients.enter_async_context(
        httpx2.AsyncClient(base_url=console.url, headers={"Accept": "text/html"})
    )
    return Reader(client, token_of(line))


async def test_opening_the_link_counts_for_nothing_and_a_button_counts_once(console: Console, note: Note) -> None:
    somebody, other = await reader(console, note), await reader(console, note)

    page = await somebody.client.get(PAGE, params={"token": somebody.token})
    await somebody.client.head(PAGE, params={"token": somebody.token})
    assert (page.status_code, await kept(console)) == (200, [])
    assert "ticket 1042" in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert not page.cookies

    first = await somebody.answer("thumbs_up", comment="Thanks")
    second = await other.answer("thumbs_down", comment="<script>alert(1)</script>")

    assert "it helped" in first.text
    assert "it did not help" in second.text
    assert "<script>alert" not in second.text
    assert await kept(console) == [(None, "thumbs_down", None, "<script>alert(1)</script>")]
    async with console.db.tenant_session("acme") as session:
        assert set(await session.scalars(select(AuditLog.actor))) == {VOICE}
    signed_in = await console.client(role="operator")
    await signed_in.post(note.api, json={"feedback_type": "thumbs_up"})
    assert len(await kept(console)) == 2


async def test_no_other_page_answers_by_a_link(console: Console, note: Note) -> None:
    somebody = await reader(console, note)

    refused = [
        await somebody.answer("thumbs_down", headers={"Sec-Fetch-Site": "cross-site"}),
        await somebody.answer("thumbs_down", headers={"Origin": "https://evil.example"}),
        await somebody.answer("rating"),
        await somebody.answer("thumbs_down", comment="x" * 2001),
    ]

    assert [answer.status_code for answer in refused] == [403, 403, 422, 422]
    assert await kept(console) == []


async def test_a_wrong_link_learns_nothing(console: Console, note: Note) -> None:
    ended = await reader(console, note, until=datetime.now(UTC) - timedelta(seconds=1))
    foreign = Reader(ended.client, token_of(links().line("acme", note.run_id, until=UNTIL)))
    nothing = Reader(ended.client, "")
    answers = []
    for one in (ended, foreign, nothing):
        answers.append(await one.client.get(PAGE, params={"token": one.token}))
        answers.append(await one.answer("thumbs_down"))

    assert {answer.status_code for answer in answers} == {404}
    assert all(GONE in answer.text and "1042" not in answer.text for answer in answers)
    assert await kept(console) == []


async def test_a_link_of_one_tenant_finds_no_note_of_another(console: Console, note: Note) -> None:
    somebody = await reader(console, note, tenant_id="globex")

    assert (await somebody.answer("thumbs_down")).status_code == 404
    assert await kept(console) == []


# -- in a note ----------------------------------------------------------------------------------


@pytest.fixture
async def product(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Product]:
    async with running_product(clean_db, database_urls.app_url) as running:
        yield running


async def test_a_note_ends_in_a_link_that_only_the_desk_has(product: Product) -> None:
    customer = await product.customer(outcome={"kind": "note", "verdict_link": True, "nothing_found": "say"})
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    answer = await product.deliver(customer, ticket_id, delivery_id="filed")
    run = await product.ended(customer, answer.json()["execution_id"])

    (note,) = await product.desk.notes(ticket_id)
    written = str(note)
    assert "Did this note help?" in written
    assert "feedback/link" not in str(run)
    token = re.search(r"token=([0-9a-z._-]+)", written)
    assert token
    async with httpx2.AsyncClient(base_url=product.api.url, headers={"Accept": "text/html"}) as client:
        given = await client.post(PAGE, data={"token": token[1], "verdict": "thumbs_up"})
    assert given.status_code == 200, given.text
    verdicts = (await customer.client.get(f"/api/v1/executions/{run['id']}/feedback")).json()["items"]
    assert [(one["feedback_type"], one["technician_email"]) for one in verdicts] == [("thumbs_up", None)]

    again = await product.deliver(customer, ticket_id, delivery_id="again")
    second = await product.ended(customer, again.json()["execution_id"])
    assert second["note"] is None
    assert len(await product.desk.notes(ticket_id)) == 1


async def test_a_note_has_no_link_where_nobody_wants_one(product: Product) -> None:
    customer = await product.customer(
        outcome={"kind": "note", "verdict_link": False, "nothing_found": "say"},
    )
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    answer = await product.deliver(customer, ticket_id, delivery_id="filed")
    await product.ended(customer, answer.json()["execution_id"])

    assert "feedback/link" not in str(await product.desk.notes(ticket_id))
