"""What a run does about a ticket of a storm, without desk and model: which tickets are looked at, and what is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from tests.support.runs import execution, run_of, ticket

from deskhand.agents.outcomes import OutcomeKind
from deskhand.engine.journal import Journal
from deskhand.kit.clock import utc_now
from deskhand.kit.db.session import Database
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.plugins.contract import Company, Person, Ticket
from deskhand.storms.schemas import StormTicket, StormView
from deskhand.tenants.models import TenantConfig
from deskhand.work.companies import CompanyWall
from deskhand.work.note_outcome import NOTE_KEY
from deskhand.work.run import Run
from deskhand.work.storming import Storming, note_of

AT = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)


def run(number: int, *, begun: bool = False, mode: str = "live", kind: str = "note", **storms: Any) -> Run:
    made = run_of(execution(id=UUID(int=number), mode=mode, tool_type="jira"), outcome={"kind": kind}, triggers=[])
    tenant = TenantConfig(
        tenant_id="acme", name="Acme", tool_type="jira", enhancement_preferences={"storms": {"least": 3, **storms}}
    )
    journal = cast(Journal, SimpleNamespace(begun_writes=frozenset({NOTE_KEY} if begun else ())))
    return replace(made, tenant=tenant, journal=journal)


def filed(number: int, **more: Any) -> Ticket:
    values = {"id": str(number), "display_id": f"IT-{number}", "requester": Person(email=f"p{number}@acme.test")}
    return ticket(**{**values, "subject": "VPN gateway unreachable", **more})


@pytest.fixture
async def storming(clean_db: Database, make_tenant: Any) -> Storming:
    await make_tenant("acme")
    return Storming(clean_db, LexicalOnly())


async def test_the_sixth_of_six_people_speaks_and_the_seventh_is_counted(storming: Storming) -> None:
    parts = [await storming.part_of(run(number), filed(number)) for number in range(1, 8)]
    assert parts[:5] == [None] * 5
    spoke, counted = parts[5:]
    assert spoke is not None
    assert counted is not None
    assert (spoke.speaks, counted.speaks) == (True, False)
    # Where people talk about it, a note may come all the same.
    assert await storming.part_of(run(100), filed(1)) is None
    assert await storming.part_of(run(101), filed(7)) is not None


async def test_what_is_not_asked_is_not_even_looked_at(storming: Storming) -> None:
    for number in range(1, 8):
        assert await storming.part_of(run(number, on=False), filed(number)) is None
        assert await storming.part_of(run(number, mode="dry_run"), filed(number)) is None
        assert await storming.part_of(run(number, begun=True), filed(number)) is None
        assert await storming.part_of(run(number, kind=OutcomeKind.REPLY.value), filed(number)) is None
    assert await storming.part_of(run(8), filed(8)) is None, "nobody has seen the others"


async def test_an_old_ticket_that_somebody_edits_tells_of_nothing(storming: Storming) -> None:
    old = utc_now() - timedelta(days=2)
    for number in range(1, 10):
        assert await storming.part_of(run(number), filed(number, created_at=old)) is None
    assert await storming.part_of(run(10), filed(10)) is None


async def test_on_a_desk_of_several_companies_a_ticket_of_nobody_is_left_alone(storming: Storming) -> None:
    wall = CompanyWall({"jira": "company"}, frozenset({"jira"}))

    async def see(number: int, company: Company | None) -> bool:
        one = filed(number, company=company)
        async with storming.db.tenant_session("acme") as session:
            await wall.enter(session, "acme", one)
        return await storming.part_of(replace(run(number), wall=wall), one) is not None

    nordwind, suedwerk = Company("1", "Nordwind"), Company("x" * 300, "Suedwerk")
    assert not any([await see(number, None) for number in range(1, 9)])
    for number in range(5):
        assert not await see(10 + number, nordwind)
        assert not await see(20 + number, suedwerk)
    assert await see(15, nordwind)
    assert await see(25, suedwerk), "an id that is too long to keep is still another company's"


def storm(**more: Any) -> StormView:
    values: dict[str, Any] = {
        **{"id": UUID(int=9), "tool_type": "jira", "company": "", "company_name": "", "first_ticket_id": "1"},
        **{"first_number": "IT-1", "tickets": 40, "requesters": 39, "usual": 0, "began_at": AT, "last_at": AT},
        **{"over_at": AT, "recognised_at": AT, "execution_id": UUID(int=1)},
    }
    return StormView(**{**values, **more})


def members(count: int) -> list[StormTicket]:
    return [
        StormTicket(
            ticket_id=str(number), number=f"IT-{number}", reported_at=AT + timedelta(minutes=number),
            execution_id=UUID(int=number),
        )
        for number in range(count)
    ]  # fmt: skip


def test_its_note_counts_names_and_says_what_is_usual() -> None:
    said = note_of(storm(), members(6))
    assert said.startswith("**6 tickets report the same within 5 minutes: this looks like one outage.**")
    assert "By the four weeks before, usually none come in as long." in said
    assert "IT-0, IT-1, IT-2, IT-3, IT-4, IT-5, the first of them first" in said
    assert len(said.split()) < 80


def test_of_many_the_first_are_named_and_a_number_is_no_markup() -> None:
    many = [*members(29), members(30)[-1].model_copy(update={"number": "[x](http://y)"})]
    said = note_of(storm(usual=3), many)
    assert "IT-19 and 10 more, the first" in said
    assert "usually up to 3 come" in said
    hostile = note_of(storm(), [many[-1], many[-1]])
    assert "[x](" not in hostile
    assert "within 1 minute:" in hostile
