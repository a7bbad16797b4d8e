"""Events of solved, reopened and deleted tickets keep the history current, on every desk and without an agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from tests.conftest import DatabaseUrls
from tests.knowledge.desks import HAS_RESOLUTION_FIELD, SOLVED
from tests.support.desks import DESKS, Desk
from tests.support.product import Customer, Product, running_product, until
from tests.support.upkeep import reach_of

from deskhand.agents.models import AgentVersion
from deskhand.engine.models import AgentExecution
from deskhand.intake.freshness import report_of
from deskhand.kit.db.session import Database
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.upkeep.keeper import KnowledgeKeeper
from deskhand.plugins.contract import Ignored, TicketEvent, TicketMetadata
from deskhand.simulators.base.faults import Fault

OPEN = {"servicedesk_plus": "Open", "jira": "In progress", "zendesk": "open", "servicenow": "In Progress"}
SECRET = "sb3Pzq0vJ8mYwT5uK1nRf7dC2xG9hLaE"


@pytest.fixture
async def product(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Product]:
    async with running_product(clean_db, database_urls.app_url) as running:
        yield running


async def connected(product: Product, tool_type: str) -> Desk:
    """A tenant without an agent, whose desk reports to the tenant's own address."""
    desk = await product.open_desk(tool_type)
    body = {"tenant_id": "acme", "name": "Acme", "webhook_signing_secret": SECRET, **desk.tenant()}
    answer = await (await product.platform()).post("/api/v1/tenants", json=body)
    assert answer.is_success, answer.text
    target = {"url": f"{product.api.url}/webhooks/acme/{tool_type}", "secret": SECRET}
    (await desk.client.put("/_sim/webhooks", json=target)).raise_for_status()
    return desk


def move(desk: Desk, ticket_id: str, status: str, solution: str | None = None) -> None:
    simulator = desk.simulator
    technician = simulator.store.person("ines@desk.test", is_agent=True)
    fields: dict[str, Any] = {"status": status, **simulator.closing_fields(status)}
    if solution is not None and desk.tool_type in HAS_RESOLUTION_FIELD:
        fields["resolution"] = simulator.from_markdown(solution)
    simulator.change(simulator.store.tickets[ticket_id], fields, by=technician)


def say(desk: Desk, ticket_id: str, words: str) -> None:
    simulator = desk.simulator
    author = simulator.store.person("ines@desk.test", is_agent=True)
    ticket = simulator.store.tickets[ticket_id]
    simulator.write_note(ticket, simulator.from_markdown(words), public=True, author=author)


@pytest.mark.parametrize("tool_type", DESKS)
async def test_a_ticket_comes_when_it_is_solved_and_goes_when_it_is_reopened_or_deleted(
    product: Product, tool_type: str
) -> None:
    desk = await connected(product, tool_type)
    keeper = KnowledgeKeeper(product.pool, reach_of(product.db, product.keys[0], LexicalOnly()))

    async def known(*rows: tuple[str, str | None]) -> None:
        async def look() -> bool:
            await keeper.tend()
            stored = await product.rows("SELECT subject, resolution FROM ticket_history")
            waiting = await product.count("SELECT count(*) FROM history_refreshes")
            return waiting == 0 and [tuple(row) for row in stored] == list(rows)

        await until(look)

    solution = "Exchanged the toner of the printer."
    ticket_id = await desk.file_ticket("Printer prints grey", "Every page is grey.")
    say(desk, ticket_id, solution)
    move(desk, ticket_id, SOLVED[tool_type], solution)
    await known(("Printer prints grey", solution))
    move(desk, ticket_id, OPEN[tool_type])
    await known()
    if tool_type in HAS_RESOLUTION_FIELD:
        move(desk, ticket_id, SOLVED[tool_type], "Done.")
        await known(("Printer prints grey", None))
    else:
        move(desk, ticket_id, SOLVED[tool_type])
        await known(("Printer prints grey", solution))
    # Deleted: what its desk says of it afterwards, in whichever event, leads to a look that finds nothing.
    del desk.simulator.store.tickets[ticket_id]
    ended = {"tenant": "acme", "tool": tool_type, "ticket": ticket_id, "ended": False}
    await product.pool.fetchval("SELECT touch_history($1)", [ended, ended])
    await known()
    assert await product.count("SELECT count(*) FROM webhook_deliveries") == 0, "no agent, no delivery of one"


async def test_a_ticket_whose_desk_is_away_is_looked_at_again(product: Product) -> None:
    desk = await connected(product, "servicedesk_plus")
    keeper = KnowledgeKeeper(product.pool, reach_of(product.db, product.keys[0], LexicalOnly()))
    desk.simulator.faults.add(Fault(status=429, headers={"Retry-After": "3000"}))
    ended = {"tenant": "acme", "tool": "servicedesk_plus", "ticket": "1", "ended": True}
    await product.pool.fetchval("SELECT touch_history($1)", [ended])
    await keeper.tend()
    (row,) = await product.rows("SELECT tries, due_at > now() + interval '30 minutes' AS late FROM history_refreshes")
    assert tuple(row) == (1, True)


async def test_tickets_nobody_keeps_are_not_looked_at(product: Product) -> None:
    await connected(product, "servicedesk_plus")
    other = {"tenant": "acme", "tool": "servicedesk_plus", "ticket": "1", "ended": False}
    assert await product.pool.fetchval("SELECT touch_history($1)", [other, {**other, "tenant": "nobody"}]) == 0


def test_what_an_event_says_of_the_end_is_a_hint() -> None:
    def event(status: str | None, ticket_id: str = "7") -> TicketEvent:
        return TicketEvent(event="e", ticket=TicketMetadata(tool_type="jira", ticket_id=ticket_id, status=status))

    for status, ended in (("Done", True), ("RESOLVED", True), ("Open", False), (None, False)):
        report = report_of(event(status), "acme", "jira")
        assert report is not None
        assert (report.ended, report.order) == (ended, ("acme", "jira", "7"))
    assert report_of(Ignored(event="e", reason="r"), "acme", "jira") is None
    assert report_of(event("Done", "7" * 101), "acme", "jira") is None
    gone = report_of(Ignored(event="e", reason="r", ticket_id="7", ended=True), "acme", "jira")
    assert gone is not None
    assert gone.ended


async def test_how_a_ticket_went_is_told_where_an_agent_was_called_to_it(product: Product) -> None:
    """On every desk: opened again or not, and when a technician first said something; of other tickets nobody asks."""
    keeper = KnowledgeKeeper(product.pool, reach_of(product.db, product.keys[0], LexicalOnly()))
    made: dict[str, dict[str, str]] = {}
    for tool_type in DESKS:
        desk = product.desk if tool_type == product.desk.tool_type else await product.open_desk(tool_type)
        customer = await product.customer(tool_type.replace("_", "-"), desk=desk, active=False)
        made[tool_type] = {}
        for name in ("once", "twice", "alone"):
            ticket_id = made[tool_type][name] = await desk.file_ticket("Printer prints grey", "Every page is grey.")
            if name != "alone":
                await called(product, customer, tool_type, ticket_id)
            say(desk, ticket_id, "I am on my way.")
            ends = [SOLVED[tool_type]] if name == "once" else [SOLVED[tool_type], OPEN[tool_type], SOLVED[tool_type]]
            for status in ends:
                move(desk, ticket_id, status, "Exchanged the toner of the printer.")
            ended = {"tenant": customer.tenant_id, "tool": tool_type, "ticket": ticket_id, "ended": True}
            await product.pool.fetchval("SELECT touch_history($1)", [ended])

    async def looked() -> bool:
        await keeper.tend()
        return await product.count("SELECT count(*) FROM history_refreshes") == 0

    await until(looked)
    columns = "tool_type, coalesce(desk_id, ticket_id) AS id, reopened, touched_at, opened_at, resolved_date"
    rows = {(row["tool_type"], row["id"]): row for row in await product.rows(f"SELECT {columns} FROM ticket_history")}
    for tool_type, tickets in made.items():
        once, twice, alone = (rows[tool_type, tickets[name]] for name in ("once", "twice", "alone"))
        assert (once["reopened"], twice["reopened"], alone["reopened"]) == (False, True, None), tool_type
        assert alone["touched_at"] is None
        if once["touched_at"] is not None:
            assert once["opened_at"] <= once["touched_at"] <= once["resolved_date"], tool_type
    assert {tool_type for tool_type, tickets in made.items() if rows[tool_type, tickets["once"]]["touched_at"]} >= {
        "servicedesk_plus", "jira", "servicenow"
    }  # fmt: skip


async def called(product: Product, customer: Customer, tool_type: str, ticket_id: str) -> None:
    """A run of the customer's agent about a ticket."""
    async with product.db.tenant_session(customer.tenant_id) as session:
        agent = UUID(customer.agent_id)
        version = await session.scalar(select(AgentVersion.id).where(AgentVersion.agent_id == agent))
        run = {"tool_type": tool_type, "ticket_ref": ticket_id, "status": "completed", "agent_version_id": version}
        session.add(AgentExecution(tenant_id=customer.tenant_id, agent_id=agent, **run))
