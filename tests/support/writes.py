"""Every write of the catalogue with arguments that change something, by desk, and how often a desk says it was made."""

from __future__ import annotations

from typing import Any

from tests.support.desks import Desk
from tests.support.product import Customer, Product, until

from deskhand.plugins.registry import BUILT_IN
from deskhand.tools.desk import provider_of
from deskhand.tools.values import ToolOperation

WORKING = {"servicedesk_plus": "Onhold", "jira": "In progress", "zendesk": "pending", "servicenow": "In Progress"}
"""A status that leaves the ticket open, and is not a new ticket's."""
TECHNICIAN = "ines@desk.test"
ORDER = (
    "add_note",
    "reply",
    "update_ticket",
    "assign",
    "transition",
    "link_tickets",
    "log_time",
    "create_ticket",
    "resolve",
)
"""In which they can all be tried on one ticket: a resolved one takes no more."""
APART = {"ask_requester"}
"""Comes with the grant of another one and waits for somebody: tests/asking."""
NEW = "A new one"


def writes_of(tool_type: str) -> list[ToolOperation]:
    """What a desk offers that writes, in an order in which one ticket takes them all; a new operation has no place."""
    operations = provider_of(BUILT_IN[tool_type].manifest).operations
    writes = [one for one in operations if one.is_write and one.name not in APART]
    return sorted(writes, key=lambda one: ORDER.index(one.name))


def arguments(tool_type: str, operation: str, *, subject: str = NEW) -> dict[str, Any]:
    """Of a call that changes something on a new ticket of that desk."""
    return {
        "add_note": {"body": "A note."},
        "reply": {"body": "A reply."},
        "update_ticket": {"priority": "high"},
        # Groups are a field of the customer's own there, and not connected.
        "assign": {"assignee_email": TECHNICIAN} if tool_type == "jira" else {"group": "Network"},
        "transition": {"status": WORKING[tool_type]},
        "link_tickets": {"url": "https://elsewhere.test/1"},
        "log_time": {"text": "Read three logs."},
        "create_ticket": {"subject": subject},
        "resolve": {"resolution": "It was the cable."},
    }[operation]


async def run_of_event(customer: Customer, ticket_id: str) -> str:
    """The run that the desk's own event about a new ticket began."""

    async def look() -> str | None:
        runs = (await customer.client.get("/api/v1/executions", params={"limit": 100})).json()["items"]
        return next((str(run["id"]) for run in runs if run["ticket_ref"] == ticket_id), None)

    return str(await until(look))


async def begin(product: Product, customer: Customer, subject: str) -> tuple[str, str]:
    """File a ticket and let the desk tell of that alone; ids of the ticket and of the run that it began."""
    assert customer.desk is not None
    await product.point_desk_at(customer)
    ticket_id = await customer.desk.file_ticket(subject)
    run_id = await run_of_event(customer, ticket_id)
    sender = customer.desk.simulator.sender
    sender.target = sender.target.model_copy(update={"url": None})
    return ticket_id, run_id


async def silence(desk: Desk, customer: Customer) -> None:
    """Let the desk tell nobody of what comes: an event about a write whose worker died would start a run of its own."""
    dead_end = {"url": f"{desk.url}/nowhere", "secret": customer.secret}
    (await desk.client.put("/_sim/webhooks", json=dead_end)).raise_for_status()


async def made(desk: Desk, operation: str, ticket_id: str, *, subject: str = NEW) -> int:
    """How often a write was made. By its saves: some desks keep a write's mark in several places of one save."""
    if operation == "create_ticket":
        return sum(one.subject == subject for one in desk.simulator.store.tickets.values())
    effects = await desk.effects(ticket_id)
    if operation == "resolve":  # where the solution is a comment, one save is both
        return max(int(effects["notes"]), int(effects["updates"]))
    return int(effects["notes"] + effects["updates"] + effects["logged"])
