"""What a run does about a ticket of a storm, without desk and model: which tickets are looked at, and what is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.support.runs import execution, run_of, ticket

from deskhand.agents.outcomes import OutcomeKind
from deskhand.engine.journal import Journal
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import ForbiddenError
from deskhand.kit.clock import utc_now
from deskhand.kit.db.session import Database
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.plugins.contract import Company, Person, Ticket, WriteReceipt
from deskhand.plugins.errors import DeskNotFoundError
from deskhand.storms.schemas import StormTicket, StormView
from deskhand.tenants.models import TenantConfig
from deskhand.tools.values import Scope
from deskhand.work.companies import CompanyWall
from deskhand.work.hands import DeskHands
from deskhand.work.note_outcome import NOTE_KEY
from deskhand.work.run import Run
from deskhand.work.storming import STORM_KEY, Storming, note_of

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

    nordwind, suedwerk = Company(id="1", name="Nordwind"), Company(id="x" * 300, name="Suedwerk")
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


class Hands:
    """The road to a desk, as far as the end of such a run takes it."""

    def __init__(self, *, may: bool = True, scope: Scope = Scope.OWN, gone: Exception | None = None) -> None:
        self._may, self._scope, self._gone = may, scope, gone
        self.written: list[tuple[str | None, str]] = []

    def may(self, name: str) -> bool:
        return self._may and name == "add_note"

    def scope(self, _name: str) -> Scope:
        return self._scope

    async def find_ticket(self, _name: str, ref: str) -> str:
        if self._gone:
            raise self._gone
        return ref

    async def ask(self, _name: str, arguments: dict[str, Any], **_more: Any) -> dict[str, Any]:
        return {"body": f"{arguments['body']}\n\n(as a person approved it)"}

    async def add_note(self, body: str, *, key: str, ref: str | None) -> WriteReceipt:
        assert key == STORM_KEY
        self.written.append((ref, body))
        return WriteReceipt(id="n1", ticket_id=ref or "6")


async def ended(storming: Storming, hands: Hands, *, number: int = 6) -> dict[str, Any]:
    """What the run of a ticket ends in, after five others of the storm."""
    for before in range(1, number):
        await storming.part_of(run(before), filed(before))
    one, own = run(number), filed(number)
    part = await storming.part_of(one, own)
    assert part is not None
    ending = await storming.end(one, cast(DeskHands, hands), own, part)
    assert ending.status is ExecutionStatus.COMPLETED
    assert ending.output is not None
    return ending.output


async def test_the_run_that_speaks_writes_on_its_own_ticket_what_was_approved(storming: Storming) -> None:
    hands = Hands()
    output = await ended(storming, hands)
    ((ref, body),) = hands.written
    assert ref is None
    assert body.startswith("**6 tickets report the same")
    assert body.endswith("(as a person approved it)")
    assert output["note"] == {"markdown": body, "note_id": "n1", "word_count": len(body.split())}
    assert (output["storm"]["spoke"], output["storm"]["first"], output["storm"]["tickets"]) == (True, "IT-1", 6)
    assert "not_written_code" not in output


async def test_where_it_may_write_on_others_the_note_stands_on_the_first(storming: Storming) -> None:
    hands = Hands(scope=Scope.ANY)
    await ended(storming, hands)
    assert [ref for ref, _ in hands.written] == ["1"]


GONE = {"gone": DeskNotFoundError("There is none."), "another's": ForbiddenError("It is another company's.")}


@pytest.mark.parametrize("why", GONE)
async def test_a_first_ticket_that_is_not_to_be_reached_leaves_the_note_on_its_own(
    storming: Storming, why: str
) -> None:
    hands = Hands(scope=Scope.ANY, gone=GONE[why])
    await ended(storming, hands)
    assert [ref for ref, _ in hands.written] == [None]


async def test_whoever_may_write_no_note_counts_all_the_same(storming: Storming) -> None:
    hands = Hands(may=False)
    output = await ended(storming, hands)
    assert hands.written == []
    assert (output["not_written_code"], output["storm"]["spoke"]) == ("storm", False)


async def test_a_later_one_says_where_it_was_counted_and_writes_nothing(storming: Storming) -> None:
    hands = Hands()
    output = await ended(storming, hands, number=8)
    assert hands.written == []
    assert output["note"] is None
    assert output["not_written_code"] == "storm"
    assert output["not_written"] == (
        "It is one of 8 tickets that report the same, IT-1 first; it was counted among them, and nothing was written."
    )


async def test_a_fact_is_noted_in_the_transaction_that_recognises_it_and_once(storming: Storming) -> None:
    for number in range(1, 9):
        await storming.part_of(run(number), filed(number))
        await storming.part_of(run(number), filed(number))
    async with storming.db.tenant_session("acme") as session:
        rows = await session.execute(text("SELECT kind, ticket, cause FROM notification_facts"))
        (fact,) = rows.all()
    assert (fact.kind, fact.ticket) == ("storm", "IT-1")
    assert fact.cause.startswith("6:jira:")
