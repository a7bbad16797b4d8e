"""What is looked up for every ticket, as journaled steps; a source that is down is named and the others are asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from pydantic_core import to_jsonable_python
from sqlalchemy.ext.asyncio import AsyncSession
from tests.conftest import MakeTenant

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer as knowledge
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.notes.facts import FileText, Turn
from deskhand.plugins.contract import Ticket
from deskhand.work.companies import CompanyWall
from deskhand.work.research import PARTICULARS, Researcher, particulars, query_for, systems_query

TICKET = Ticket(tool_type="servicedesk_plus", id="7", display_id="7", subject="VPN drops", description="On srv-vpn01.")
SOLVED = (
    "ticket_id,subject,description,resolution,category\n"
    "1,VPN drops,The VPN drops every hour,Update the VPN client,Network\n"
    "7,VPN drops,On srv-vpn01,This is the ticket itself,Network\n"
)


class Steps:
    """Stands for the journal: runs each step and remembers it, as JSON gives it back."""

    def __init__(self) -> None:
        self.execution = SimpleNamespace(tenant_id="acme")
        self.names: list[str] = []

    async def step(self, *, name: str, body: Callable[[], Awaitable[Any]], **_: Any) -> Any:
        self.names.append(name)
        return to_jsonable_python(await body())


class Broken:
    """A database whose n-th session cannot be had."""

    def __init__(self, db: Database, turn: int) -> None:
        self._db, self._turn, self._asked = db, turn, 0

    def tenant_session(self, tenant_id: str, **scope: Any) -> AbstractAsyncContextManager[AsyncSession]:
        self._asked += 1
        if self._asked == self._turn:
            raise ConnectionRefusedError("no route to the database")
        return self._db.tenant_session(tenant_id, **scope)


@pytest.fixture
async def history(clean_db: Database, make_tenant: MakeTenant, tmp_path: Any) -> Database:
    await make_tenant("acme")
    (tmp_path / "solved.csv").write_text(SOLVED)
    (tmp_path / "systems.csv").write_text("hostname,role\nsrv-vpn01,VPN gateway\n")
    await knowledge.import_tickets(clean_db, "acme", tmp_path / "solved.csv", embedder=LexicalOnly())
    await knowledge.import_systems(clean_db, "acme", tmp_path / "systems.csv")
    return clean_db


def researcher(db: Any, steps: Steps) -> Researcher:
    wall = CompanyWall({}, frozenset(), scope=EVERY_COMPANY)
    return Researcher(db, steps, LexicalOnly(), wall)  # type: ignore[arg-type]  # a journal that forgets is enough here


async def test_every_source_is_a_step_of_its_own_and_the_ticket_does_not_find_itself(history: Database) -> None:
    steps = Steps()
    findings = await researcher(history, steps).research(TICKET)
    assert steps.names == ["search_tickets", "search_knowledge", "find_systems"]
    assert [hit.ticket_id for hit in findings.history] == ["1"]
    assert [hit.hostname for hit in findings.systems] == ["srv-vpn01"]
    assert findings.unavailable == []


@pytest.mark.parametrize(
    ("turn", "name"), [(1, "past tickets"), (2, "the knowledge base"), (3, "the system inventory")]
)
async def test_a_source_that_is_down_is_named_and_the_others_are_asked(history: Database, turn: int, name: str) -> None:
    steps = Steps()
    findings = await researcher(Broken(history, turn), steps).research(TICKET)
    assert findings.unavailable == [name]
    assert bool(findings.history) is (turn != 1)
    assert bool(findings.systems) is (turn != 3)
    assert len(steps.names) == 3


def test_what_is_searched_for_has_no_marks_of_ours_and_an_end() -> None:
    ticket = Ticket(
        tool_type="x", id="1", display_id="1", subject="VPN dh-0123456789abcdef0123", description="word " * 1000
    )
    query = query_for(ticket)
    assert query.startswith("VPN")
    assert "dh-" not in query
    assert len(query) <= 1500


def turn(text: str, who: Literal["requester", "technician", "somebody"] = "requester") -> Turn:
    return Turn(who=who, text=text)


def test_the_query_has_the_requesters_last_answer_and_names_from_wherever_they_stand() -> None:
    long = "word " * 600 + "and it says 0x80070005 on 10.1.2.3."
    ticket = Ticket(tool_type="x", id="1", display_id="1", subject="VPN", description=long)
    talk = [
        turn("Only at home."),
        turn("The gateway is wgate07.example.com.", "technician"),
        turn("Since Monday 2026."),
    ]
    query = query_for(ticket, talk)
    assert len(query) <= 1_500
    assert query.startswith("VPN\nword")
    for name in ("0x80070005", "10.1.2.3", "wgate07.example.com", "Since Monday 2026."):
        assert name in query
    assert "Only at home" not in query


def test_files_are_searched_by_their_names_and_by_their_words_where_the_requester_said_no_more() -> None:
    ticket = Ticket(tool_type="x", id="1", display_id="1", subject="It does not work", description="See the picture.")
    screen = FileText(name="screen.png", text="The network path was not found.\nError code: 0x80070035 on files01.acme")
    query = query_for(ticket, (), [screen])
    assert query.startswith("It does not work\nSee the picture.\n")
    assert "0x80070035" in query
    assert "The network path was not found." in query
    later = query_for(ticket, [turn("It is the ThinkPad.")], [screen])
    assert ("0x80070035" in later, "ThinkPad" in later, "network path" in later) == (True, True, False)
    assert "files01.acme" in systems_query(ticket, (), [screen])


def test_systems_are_looked_for_in_the_whole_text() -> None:
    ticket = Ticket(tool_type="x", id="1", display_id="1", subject="VPN", description="word " * 600 + "srv-vpn01")
    query = systems_query(ticket, [turn("old"), turn("x " * 2_000 + "10.1.2.3")])
    assert query.startswith("VPN\nword")
    assert all(name in query for name in ("srv-vpn01", "10.1.2.3", "old"))


def test_names_are_codes_addresses_and_hosts_once_and_no_numbers_alone() -> None:
    texts = ["Error 809 at 12:30 on srv-vpn01, KB5034441; 10.1.2.3", "srv-vpn01 again, and " + "A1" * 100]
    assert particulars(texts) == ["srv-vpn01", "KB5034441", "10.1.2.3"]
    assert len(particulars([" ".join(f"host-{number}" for number in range(90))])) == PARTICULARS


async def test_what_only_the_conversation_says_finds_its_system(history: Database) -> None:
    steps = Steps()
    ticket = Ticket(
        tool_type="servicedesk_plus", id="9", display_id="9", subject="It drops", description="Please help."
    )
    assert (await researcher(history, steps).research(ticket)).systems == []
    found = await researcher(history, steps).research(ticket, [turn("It is srv-vpn01.")])
    assert [hit.hostname for hit in found.systems] == ["srv-vpn01"]
