"""What an import says of the last tickets: what was solved before each was filed counts, if it says how."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import text
from tests.conftest import MakeTenant

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.schemas import TicketNames
from deskhand.knowledge.search import search_history
from deskhand.knowledge.upkeep import lookback
from deskhand.knowledge.upkeep.lookback import look_back

MORNING = datetime(2026, 11, 2, 8, tzinfo=UTC)
PRINTER = ("Label printer prints nothing", "Labels of the warehouse stay white.")
VPN = ("VPN client wants a certificate", "It asks for a smart card.")
HOW = "Restarted the spooler of the label printer."


@dataclass(frozen=True)
class Past:
    """A ticket by the hours after the first morning at which it was filed and solved."""

    words: tuple[str, str]
    filed: int | None
    solved: int | None
    how: str | None = HOW


CASES: dict[str, tuple[list[Past], tuple[int, int]]] = {
    "nothing is known": ([], (0, 0)),
    "one ticket has no past": ([Past(PRINTER, 0, 1)], (1, 0)),
    "solved before the next was filed": (
        [Past(PRINTER, 0, 1), Past(PRINTER, 2, 3)],
        (2, 1),
    ),
    "solved after the next was filed": (
        [Past(PRINTER, 0, 5), Past(PRINTER, 2, 6)],
        (2, 0),
    ),
    "solved at the moment the next was filed": (
        [Past(PRINTER, 0, 2), Past(PRINTER, 2, 3)],
        (2, 0),
    ),
    "solved without a word how": (
        [Past(PRINTER, 0, 1, None), Past(PRINTER, 2, 3)],
        (2, 0),
    ),
    "solved by a word that it is over": (
        [Past(PRINTER, 0, 1, "Done."), Past(PRINTER, 2, 3)],
        (2, 0),
    ),
    "the second of two says how": (
        [Past(PRINTER, 0, 1, "Fixed!"), Past(PRINTER, 2, 3), Past(PRINTER, 4, 5)],
        (3, 1),
    ),
    "about something else": (
        [Past(VPN, 0, 1, "Renewed the certificate."), Past(PRINTER, 2, 3)],
        (2, 0),
    ),
    "nobody knows when it was filed": (
        [Past(PRINTER, None, 1), Past(PRINTER, None, 3)],
        (2, 1),
    ),
    "nobody knows when it was solved": (
        [Past(PRINTER, 0, None), Past(PRINTER, 2, 3)],
        (1, 0),
    ),
}


async def fill(db: Database, past: list[Past], *, tool_type: str = "jira") -> None:
    def at(hours: int | None) -> datetime | None:
        return None if hours is None else MORNING + timedelta(hours=hours)

    async with db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        for number, one in enumerate(past):
            await session.execute(
                text(
                    "INSERT INTO ticket_history (tenant_id, tool_type, ticket_id, subject, description, resolution,"
                    " opened_at, resolved_date)"
                    " VALUES ('acme', :tool, :id, :subject, :description, :how, :filed, :solved)"
                ),
                {
                    "tool": tool_type,
                    "id": f"{tool_type}-{number}",
                    "subject": one.words[0],
                    "description": one.words[1],
                    "how": one.how,
                    "filed": at(one.filed),
                    "solved": at(one.solved),
                },
            )


@pytest.fixture
async def acme(clean_db: Database, make_tenant: MakeTenant) -> Database:
    await make_tenant("acme")
    return clean_db


@pytest.mark.parametrize("name", CASES)
async def test_only_what_somebody_could_have_known_counts(acme: Database, name: str) -> None:
    past, expected = CASES[name]
    await fill(acme, past)
    assert await look_back(acme, "acme", "jira", embedder=LexicalOnly()) == expected


async def test_a_desk_is_judged_by_its_own_tickets_and_helped_by_all(acme: Database) -> None:
    await fill(acme, [Past(PRINTER, 0, 1)], tool_type="zendesk")
    await fill(acme, [Past(PRINTER, 2, 3)])
    assert await look_back(acme, "acme", "jira", embedder=LexicalOnly()) == (1, 1)


async def test_the_newest_are_judged(acme: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookback, "LAST", 1)
    await fill(acme, [Past(PRINTER, 0, 1), Past(PRINTER, 2, 3), Past(VPN, 4, 5)])
    assert await look_back(acme, "acme", "jira", embedder=LexicalOnly()) == (1, 0)


async def test_a_search_of_a_time_knows_nothing_of_later(acme: Database) -> None:
    await fill(acme, [Past(PRINTER, 0, 1), Past(PRINTER, 2, 3), Past(PRINTER, 4, 5)])
    found = {}
    async with acme.tenant_session("acme", companies=EVERY_COMPANY) as session:
        for hours in range(7):
            hits = await search_history(
                session,
                "\n".join(PRINTER),
                exclude_ticket=TicketNames("jira", ("jira-0",)),
                embedder=LexicalOnly(),
                solved_before=MORNING + timedelta(hours=hours),
            )
            found[hours] = {hit.ticket_id for hit in hits}
    assert found[3] == set()
    assert found[4] == found[5] == {"jira-1"}
    assert found[6] == {"jira-1", "jira-2"}


TOUCHES: dict[str, tuple[dict[str, object], bool]] = {
    "over, and not known": ({"ticket": "900", "ended": True}, True),
    "not over, and not known": ({"ticket": "900", "ended": False}, False),
    "known by its number": ({"ticket": "jira-0", "ended": False}, True),
    "known by its desk's id": ({"ticket": "10001", "ended": False}, True),
    "known at another desk": ({"ticket": "jira-0", "tool": "zendesk", "ended": False}, False),
    "of a tenant that is not there": ({"ticket": "900", "tenant": "nobody", "ended": True}, False),
    "of a tenant that does not know it": ({"ticket": "jira-0", "tenant": "globex", "ended": False}, False),
}


@pytest.mark.parametrize("name", TOUCHES)
async def test_what_is_looked_at_again(
    acme: Database, make_tenant: MakeTenant, pool: asyncpg.Pool[asyncpg.Record], name: str
) -> None:
    await make_tenant("globex")
    await fill(acme, [Past(PRINTER, 0, 1)])
    async with acme.tenant_session("acme", companies=EVERY_COMPANY) as session:
        await session.execute(text("UPDATE ticket_history SET desk_id = '10001'"))
    event, noted = TOUCHES[name]
    sent = [{"tenant": "acme", "tool": "jira", **event}] * 2
    assert await pool.fetchval("SELECT touch_history($1)", sent) == int(noted)
