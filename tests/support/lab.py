"""Closed tickets on a simulated desk with what people did to them planted everywhere, and a model of known quality."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.product import Customer, Desk, Product, until

from deskhand.engine.queue import Waker
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.models import KnowledgeArticle, TicketHistory
from deskhand.lab.keeper import LabKeeper
from deskhand.simulators.jira.world import GROUP_FIELD, HOST_FIELD
from deskhand.simulators.models import Reply
from deskhand.simulators.servicenow.wire import Cell
from deskhand.simulators.zendesk.wire import ASSET_FIELD

PROBLEM = "Laser printer stops with paper jam E-4711"
FILED = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
LEAK = "zanzibar"
"""The answer as people wrote it later; whatever a model is asked must be without it."""
EARLIER = "quagga"
"""What was known before: it must be there, or the test would be blind."""


@dataclass(frozen=True, slots=True)
class Words:
    """One desk's words for what people did: as filed, and as they left it."""

    closed: str
    reopened: str
    category: tuple[str, str]
    priority: tuple[str, str, str]
    group: tuple[str, str]
    custom: Mapping[str, Any]


WORDS = {
    "servicedesk_plus": Words(
        "Closed", "Open", ("Network", "Hardware"), ("Low", "High", "high"), ("Network", "Hardware"),
        {"udf_fields": {"udf_sline_1": f"The {LEAK} field"}},
    ),
    "jira": Words(
        "Resolved", "In progress", ("Network", "Hardware"), ("Low", "High", "high"), ("Network", "Hardware"),
        {HOST_FIELD: f"The {LEAK} field"},
    ),
    "zendesk": Words(
        "solved", "open", ("network", "hardware"), ("low", "high", "high"), ("Network", "Hardware"),
        {str(ASSET_FIELD): f"The {LEAK} field"},
    ),
    "servicenow": Words(
        "Closed", "In Progress", ("network", "hardware"), ("4 - Low", "2 - High", "high"), ("Network", "Hardware"),
        {"business_impact": Cell(f"The {LEAK} field", f"The {LEAK} field")},
    ),
}  # fmt: skip


async def close_tickets(desk: Desk, count: int) -> list[tuple[str, str]]:
    """File tickets and let technicians solve them; the answer is everywhere it can be.

    Returns:
        Id and number of each.
    """
    sim, words, done = desk.simulator, WORDS[desk.tool_type], []
    technician = sim.store.person("technician@desk.test", is_agent=True)
    for number in range(count):
        sim.clock.freeze(FILED + timedelta(minutes=number))
        filed = {"category": words.category[0], "priority": words.priority[0], "group": words.group[0]}
        ticket_id = await desk.file_ticket(f"PLANT-{number:02} {PROBLEM}", "It stops.", **filed)
        done.append((ticket_id, sim.store.tickets[ticket_id].display_id))
    # After all of them came: what was solved by the time the last one was filed, that one may know.
    for number, (ticket_id, _) in enumerate(done):
        sim.clock.freeze(FILED + timedelta(days=1, hours=number))
        ticket = sim.store.tickets[ticket_id]
        sim.write_note(ticket, sim.from_markdown(f"It was the {LEAK} note."), public=True, author=technician)
        ours = sim.from_markdown(f"First look: the {LEAK} note of ours.")
        sim.write_note(ticket, ours, public=False, author=sim.store.bot)
        found = {"category": words.category[1], "priority": words.priority[1], "group": words.group[1]}
        sim.change(ticket, {**found, "custom": {**ticket.custom, **words.custom}}, by=technician)
        for status in (words.closed, *((words.reopened, words.closed) if number % 4 == 0 else ())):
            sim.clock.advance(600)
            changes = {**sim.closing_fields(status), "subject": f"PLANT-{number:02} {PROBLEM}: {LEAK} subject"}
            sim.change(ticket, {**changes, "tags": [LEAK]}, by=technician)
        ticket.resolution = "Done" if desk.tool_type == "jira" else f"The {LEAK} resolution, as KB-OLD says."
    sim.clock.freeze(None)
    return done


async def remember(product: Product, customer: Customer, tickets: list[tuple[str, str]]) -> None:
    """What the tenant knows: the closed tickets, one solved before all of them, an article before and one after."""
    tool_type, tenant_id = (customer.desk or product.desk).tool_type, customer.tenant_id
    words = WORDS[tool_type]
    async with product.db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        common = {"tenant_id": tenant_id, "tool_type": tool_type, "source": "desk"}
        session.add_all(
            TicketHistory(
                **common, ticket_id=number, desk_id=ticket_id, subject=PROBLEM,
                description=f"{PROBLEM}: {LEAK} past", resolution=f"The {LEAK} cure",
                category=words.category[1],
                resolved_date=FILED + timedelta(days=2, minutes=place), opened_at=FILED,
            )
            for place, (ticket_id, number) in enumerate(tickets)
        )  # fmt: skip
        before = FILED - timedelta(days=30)
        session.add(
            TicketHistory(
                **common, ticket_id="OLD-1", subject=PROBLEM, description=f"{PROBLEM}: {EARLIER} past",
                resolution=f"The {EARLIER} cure", category=words.category[0], resolved_date=before, opened_at=before,
            )
        )  # fmt: skip
        session.add_all(
            KnowledgeArticle(
                tenant_id=tenant_id, article_id=name, title=PROBLEM, body=f"{PROBLEM}: {word}",
                created_at=at, updated_at=at,
            )
            for name, word, at in (("KB-OLD", EARLIER, before), ("KB-NEW", f"{LEAK} article", datetime.now(UTC)))
        )  # fmt: skip


@asynccontextmanager
async def lab_at_work(product: Product) -> AsyncIterator[LabKeeper]:
    """What keeps the lab going in a worker."""
    keeper = LabKeeper(product.pool, product.db, poll=0.05)
    async with Waker(product.pool) as waker:
        product.db.on_handover = waker.wake
        task = asyncio.create_task(keeper.run())
        try:
            yield keeper
        finally:
            keeper.request_stop()
            await task
            product.db.on_handover = None


async def lab_run(customer: Customer, lab_run_id: str) -> dict[str, Any]:
    """A run of the lab, once it has ended."""

    async def look() -> dict[str, Any] | None:
        found = (await customer.client.get(f"/api/v1/lab-runs/{lab_run_id}")).json()
        return found if found["state"] != "running" else None

    return await until(look)


def with_group_field(desk: Desk) -> dict[str, Any]:
    """The tenant's part of a desk, where groups are a field that the site added."""
    tenant = desk.tenant()
    if desk.tool_type == "jira":
        tenant["connection_extras"]["jira"]["jira_group_field"] = GROUP_FIELD
    return tenant


LOOK_UPS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("get_ticket", {}),
    ("list_notes", {}),
    ("ticket_changes", {}),
    ("search_tickets", {"text": "printer"}),
    ("search_past_tickets", {"query": PROBLEM, "limit": 10}),
    ("search_articles", {"query": PROBLEM, "limit": 5}),
    ("read_article", {"source": "article:KB-NEW"}),
)


class Planted:
    """A model that answers right as often as was planted, and looks up all it may first.

    Attributes:
        right: Of twenty tickets in a row, by field, on how many it says what people did.
        silent: By field, from which of the twenty on it says nothing.
    """

    def __init__(self, tool_type: str, *, right: Mapping[str, int], silent: Mapping[str, int]) -> None:
        words = WORDS[tool_type]
        self._truth = {"category": words.category[1], "priority": words.priority[2], "group": words.group[1]}
        self._false = {"category": "Gardening", "priority": "low", "group": "Gardeners"}
        self.right, self.silent = right, silent

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        said = str(body["messages"])
        names = {tool["function"]["name"] for tool in body.get("tools", ())}
        if "'role': 'tool'" not in said:
            return Reply(tool_calls=tuple(call for call in LOOK_UPS if call[0] in names))
        place = int(re.findall(r"PLANT-(\d+)", said)[0]) % 20
        answer = {name: self._word(name, place) for name in self._truth}
        return Reply(tool_calls=(("give_answer", {**answer, "reason": "As planted."}),))

    def _word(self, name: str, place: int) -> str | None:
        if place >= self.silent.get(name, 20):
            return None
        return self._truth[name] if place < self.right[name] else self._false[name]
