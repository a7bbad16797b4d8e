"""A storm is recognised once, counted, kept to its company, and over by itself; ordinary requests make none."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from tests.storms.conftest import NOW, VPN, See, report

from deskhand.errors import NotFoundError
from deskhand.kit.db.session import Database
from deskhand.storms.service import Part, first_tickets, get_storm, list_storms, see, storm_of
from deskhand.tenants.storm_rules import StormRules

PASSWORD = "Please reset my password"
UNRELATED = ("New laptop for a trainee", "Monitor flickers", "Access to the sales share", "Toner is empty")


async def storms_of(db: Database) -> list[tuple[int, int]]:
    async with db.tenant_session("acme") as session:
        rows = await session.execute(text("SELECT tickets, requesters FROM ticket_storms ORDER BY began_at"))
        return [(row.tickets, row.requesters) for row in rows]


async def test_the_fifth_of_five_people_makes_it_and_later_ones_are_counted(
    see_ticket: See, clean_db: Database
) -> None:
    parts = [await see_ticket(number, minutes=number) for number in range(1, 8)]
    assert parts[:4] == [None] * 4, "nobody can know yet"
    begun = parts[4]
    assert begun is not None
    assert (begun.speaks, begun.has_begun, begun.is_first, begun.told) == (True, True, False, 5)
    assert (begun.storm.first_number, begun.storm.tickets, begun.storm.requesters) == ("IT-1", 5, 5)
    assert begun.storm.began_at == NOW + timedelta(minutes=1)
    assert begun.storm.over_at == NOW + timedelta(minutes=65)
    later = parts[6]
    assert later is not None
    assert (later.speaks, later.has_begun, later.is_news) == (False, False, True)
    assert (later.storm.id, later.storm.tickets) == (begun.storm.id, 7)
    assert later.storm.over_at == NOW + timedelta(minutes=67), "each ticket puts the end off"
    assert await storms_of(clean_db) == [(7, 7)]


async def test_a_run_that_is_tried_again_finds_what_was_decided(see_ticket: See, clean_db: Database) -> None:
    for number in range(1, 7):
        await see_ticket(number, minutes=number)
    again = {number: await see_ticket(number, minutes=number) for number in (1, 5, 6)}
    spoke, counted, first = again[5], again[6], again[1]
    assert spoke is not None
    assert counted is not None
    assert first is not None
    assert (spoke.speaks, spoke.has_begun, spoke.is_news) == (True, False, True)
    assert (counted.speaks, counted.is_news) == (False, True)
    assert first.is_first
    # Another event of a ticket that was counted starts another run.
    other = await see_ticket(6, minutes=6, execution_id=uuid4())
    assert other is not None
    assert not other.is_news
    assert await storms_of(clean_db) == [(6, 6)], "nothing is counted twice"


async def test_of_workers_that_see_forty_at_once_one_recognises_it(see_ticket: See, clean_db: Database) -> None:
    limit = asyncio.Semaphore(4)

    async def look(number: int) -> Part | None:
        async with limit:
            return await see_ticket(number, minutes=number / 10)

    parts = [part for part in await asyncio.gather(*map(look, range(1, 41))) if part is not None]
    assert sum(part.has_begun for part in parts) == 1
    assert sum(part.speaks for part in parts) == 2, "once when it is recognised, once when it has grown fourfold"
    assert len(parts) == 36
    assert await storms_of(clean_db) == [(40, 40)]


async def test_a_monday_of_passwords_is_none_and_an_outage_among_them_is(see_ticket: See, clean_db: Database) -> None:
    near = {"vector": [0.6, 0.8], "model": "m"}
    for week in (3, 2, 1):
        for number in range(8):
            await see_ticket(1_000 * week + number, PASSWORD, minutes=5 * number - week * 7 * 1440, **near)
    # What came on one day is not usual yet; from the third Monday on it is.
    assert await storms_of(clean_db) == [(8, 8), (8, 8)]
    assert [await see_ticket(number, PASSWORD, minutes=3 * number, **near) for number in range(1, 11)] == [None] * 10
    assert [await see_ticket(100 + number, minutes=number) is None for number in range(5)] == [*([True] * 4), False]
    # More than twice as many as on such a day are more than a Monday.
    more = [await see_ticket(200 + number, PASSWORD, minutes=30, **near) for number in range(8)]
    assert [part is None for part in more] == [*([True] * 6), False, False]
    assert more[6] is not None
    assert (more[6].storm.usual, more[6].storm.tickets) == (8, 17)


async def test_words_that_every_tenth_ticket_has_bring_nothing_together(see_ticket: See, clean_db: Database) -> None:
    for number in range(20):
        await see_ticket(1_000 + number, f"Password of {number} thousand", minutes=-1440 - 90 * number)
    assert [await see_ticket(number, PASSWORD, minutes=number) for number in range(1, 11)] != [None] * 10
    assert [await see_ticket(50 + number, "Password", minutes=number) for number in range(10)] == [None] * 10
    assert await storms_of(clean_db) == [(10, 10)]


async def test_each_company_has_its_own_and_none_is_made_of_two(see_ticket: See, clean_db: Database) -> None:
    parts = {
        company: [
            await see_ticket(10 * place + number, minutes=number, company=company, company_name=company.title())
            for number in range(count)
        ]
        for place, (company, count) in enumerate((("nordwind", 5), ("suedwerk", 4)), 1)
    }
    assert [part is None for part in parts["suedwerk"]] == [True] * 4, "five and four are not nine"
    (begun,) = [part for part in parts["nordwind"] if part]
    assert begun.storm.company_name == "Nordwind"
    async with clean_db.tenant_session("acme") as session:
        members = await first_tickets(session, begun.storm.id, limit=50)
        assert {one.ticket_id for one in members} == {str(10 + number) for number in range(5)}
        assert await storm_of(session, "jira", ["20"]) is None


async def test_one_person_or_nobody_known_makes_none(see_ticket: See) -> None:
    assert [await see_ticket(number, requester="r") for number in range(20)] == [None] * 20
    assert [await see_ticket(100 + number, "Fire alarm", requester="") for number in range(20)] == [None] * 20


async def test_what_says_something_else_is_neither_counted_nor_kept_from_its_note(see_ticket: See) -> None:
    for number in range(1, 6):
        await see_ticket(number)
    assert [await see_ticket(50 + place, said) for place, said in enumerate(UNRELATED)] == [None] * len(UNRELATED)


async def test_when_none_came_for_the_window_it_is_over_and_a_new_one_may_begin(
    see_ticket: See, clean_db: Database
) -> None:
    for number in range(1, 6):
        await see_ticket(number)
    assert await see_ticket(6, minutes=60) is not None, "just within"
    assert [await see_ticket(10 + number, minutes=121) is None for number in range(5)] == [*([True] * 4), False]
    assert await storms_of(clean_db) == [(6, 6), (5, 5)]


async def test_on_a_desk_that_is_new_twice_as_many_are_asked_for(clean_db: Database, see_ticket: See) -> None:
    parts = [await see_ticket(number, tool_type="zendesk") for number in range(1, 11)]
    assert [part is None for part in parts] == [*([True] * 9), False]


async def test_the_tenant_sets_the_number_and_the_window(see_ticket: See) -> None:
    rules = StormRules(least=3, window_minutes=5)
    spread = [await see_ticket(number, rules=rules, minutes=4 * number) for number in range(4)]
    assert spread == [None] * 4, "never three within five minutes"
    assert [await see_ticket(10 + n, "Mail server down", rules=rules) is None for n in range(3)] == [True, True, False]


async def test_vectors_find_what_no_word_shares(see_ticket: See) -> None:
    near = {"vector": [0.6, 0.8], "model": "m"}
    said = ("VPN down", "Kein Zugang von zuhause", "Remote access broken", "AnyConnect hangs", "Tunnel closed")
    parts = [await see_ticket(number, one, **near) for number, one in enumerate(said)]
    assert [part is None for part in parts] == [*([True] * 4), False]
    assert await see_ticket(10, VPN, vector=[0.8, -0.6], model="m") is None, "the same words, and nothing alike"


async def test_what_is_old_is_forgotten(see_ticket: See, clean_db: Database) -> None:
    for number in range(1, 6):
        await see_ticket(number)
    async with clean_db.tenant_session("acme") as session:
        later = NOW + timedelta(days=91)
        await see(session, "acme", report(99, "Toner", minutes=91 * 1440), StormRules(), now=later)
        left = await session.scalars(text("SELECT ticket_id FROM storm_reports WHERE company = ''"))
        assert left.all() == ["99"]
        assert (await list_storms(session, limit=5)).items == []


async def test_storms_are_listed_by_pages_and_read_with_their_tickets(see_ticket: See, clean_db: Database) -> None:
    for number in range(1, 7):
        await see_ticket(number, minutes=number)
        await see_ticket(100 + number, "Mail server down", minutes=number)
    async with clean_db.tenant_session("acme") as session:
        first = await list_storms(session, limit=1)
        rest = await list_storms(session, limit=1, cursor=first.next_cursor)
        assert (len(first.items), len(rest.items), rest.next_cursor) == (1, 1, None)
        detail = await get_storm(session, first.items[0].id)
        assert [one.reported_at.minute for one in detail.members] == [1, 2, 3, 4, 5, 6]
        known = await storm_of(session, "jira", ["IT-3", "3"])
        assert known is not None
        assert known.id in {one.id for one in (*first.items, *rest.items)}
        with pytest.raises(NotFoundError, match="no storm"):
            await get_storm(session, UUID(int=1))
