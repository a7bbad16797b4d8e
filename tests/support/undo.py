"""A run of five writes on a desk, and what undoing it looks like from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.product import Customer, Desk, Product, until

from deskhand.simulators.base import SimTicket
from deskhand.simulators.models import Reply, obliging

WRITES = ("update_ticket", "assign", "transition", "add_note", "link_tickets")
MARKS = ("properties", "first_comment")
"""What a simulator keeps beside a ticket's own fields."""
NOTE = "Format the disk and start over."
TECHNICIAN = "ines@desk.test"


@dataclass(frozen=True, slots=True)
class Words:
    """What the agent sets on one desk.

    Attributes:
        fields: Of ``update_ticket``.
        status: Where it moves the ticket.
        back: The status after the undo, where a desk cannot give back the first one.
        link: Which link.
        kind: Of the ticket that is linked with, where the desk asks for one.
        deletes: Whether a note can be taken away.
        group: Whether a group can be assigned.
    """

    fields: dict[str, Any]
    status: str
    link: str
    back: str | None = None
    kind: str | None = None
    deletes: bool = False
    group: str | None = "Network"


SET = {"subject": "Printer of floor 3", "priority": "high"}
WORDS = {
    "servicedesk_plus": Words({**SET, "category": "Printing"}, "In Progress", "related", deletes=True),
    "jira": Words({**SET, "add_tags": ["vpn"]}, "In progress", "related", deletes=True, group=None),
    "zendesk": Words({**SET, "add_tags": ["vpn"]}, "pending", "caused_by", back="open", kind="problem"),
    "servicenow": Words({**SET, "category": "Network"}, "In Progress", "child_of"),
}


@dataclass(frozen=True, slots=True)
class Wrecked:
    """A ticket on which an agent wrote five times.

    Attributes:
        before: What the desk kept before the agent.
        run: The finished run, as the API shows it.
    """

    customer: Customer
    desk: Desk
    ticket_id: str
    other: str
    before: dict[str, Any]
    run: dict[str, Any]

    @property
    def ticket(self) -> SimTicket:
        return ticket_of(self.desk, self.ticket_id)

    @property
    def path(self) -> str:
        return f"/api/v1/executions/{self.run['id']}/undo"

    def change(self, **fields: Any) -> None:
        """A technician saves the ticket."""
        self.desk.simulator.change(self.ticket, fields, by=self.desk.simulator.store.person(TECHNICIAN))


def ticket_of(desk: Desk, ticket_id: str) -> SimTicket:
    ticket = desk.simulator.store.get(ticket_id)
    assert ticket is not None
    return ticket


def state_of(ticket: SimTicket) -> dict[str, Any]:
    """What an agent can set, as the desk keeps it."""
    names = ("subject", "priority", "category", "group", "status", "kind")
    custom = {
        name: value for name, value in ticket.custom.items() if getattr(value, "value", value) and name not in MARKS
    }
    people = {"assignee": ticket.assignee.email if ticket.assignee else None, "tags": sorted(ticket.tags)}
    links = [(link.kind, link.ticket_id) for link in ticket.links]
    return {**{name: getattr(ticket, name) for name in names}, **people, "links": links, "custom": custom}


def calls(words: Words, other: str) -> list[tuple[str, dict[str, Any]]]:
    group = {"group": words.group} if words.group else {}
    return [
        ("update_ticket", words.fields),
        ("assign", {"assignee_email": TECHNICIAN, **group}),
        ("transition", {"status": words.status}),
        ("add_note", {"body": NOTE}),
        ("link_tickets", {"other_ticket_id": other, "kind": words.link}),
    ]


def trying(todo: list[tuple[str, dict[str, Any]]]) -> Any:
    """A model that makes these calls, one after the other, and ends."""

    def script(body: Mapping[str, Any]) -> Reply:
        answered = sum(message["role"] == "tool" for message in body["messages"])
        return Reply(tool_calls=(todo[answered],)) if answered < len(todo) else obliging(body)

    return script


async def wreck(
    product: Product, tool: str = "servicedesk_plus", *, tenant: str = "acme", todo: list[Any] | None = None
) -> Wrecked:
    """An agent that writes five times on a ticket, and the worker that let it."""
    desk, words = await product.open_desk(tool), WORDS[tool]
    store = desk.simulator.store
    store.person(TECHNICIAN, is_agent=True)
    every = {name: {"scope": "any"} for name in (*WRITES, "resolve", "reply")}
    grants = {tool: {"get_ticket": {"scope": "any"}, **every, "create_ticket": {"scope": "own"}}}
    customer = await product.customer(tenant, desk=desk, tool_operations=grants, outcome={"kind": "none"})
    # Before the desk is told where to report, so that this one starts no run.
    target = desk.simulator.file_ticket(
        subject="Print server is down",
        requester=store.person("bob@acme.test"),
        **({"custom": {"type": words.kind}} if words.kind else {}),
    )
    await product.point_desk_at(customer)
    product.model.script = trying(calls(words, target.id) if todo is None else todo)
    ticket_id = await desk.file_ticket("Printer jams", "It jams.")
    before = state_of(ticket_of(desk, ticket_id))
    run_id = await started(customer)
    # Before the run begins: a desk whose connection does not name our account reports five quick saves as anybody's.
    heard = desk.simulator.sender.target
    desk.simulator.sender.target = heard.model_copy(update={"url": None})
    if not product.runners:
        await product.start_worker()
    run = await product.ended(customer, run_id)
    return Wrecked(customer, desk, ticket_id, target.id, before, run)


async def started(customer: Customer) -> str:
    """The customer's first run, once there is one."""

    async def look() -> list[dict[str, Any]]:
        return list((await customer.client.get("/api/v1/executions")).json()["items"])

    (run,) = await until(look)
    return str(run["id"])


async def preview(one: Wrecked, path: str | None = None, **body: Any) -> dict[str, Any]:
    answer = await one.customer.client.post(f"{path or one.path}/preview", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def undo(product: Product, one: Wrecked, path: str | None = None, **body: Any) -> dict[str, Any]:
    """Preview, undo, and the undo's execution when it has ended."""
    seen = await preview(one, path, **body)
    answer = await one.customer.client.post(path or one.path, json={**body, "digest": seen["digest"]})
    assert answer.status_code == 202, answer.text
    return await product.ended(one.customer, answer.json()["execution_id"])


def effects_of(shown: list[dict[str, Any]]) -> dict[str, str]:
    """Effect by operation."""
    return {write["operation"]: item["effect"] for item in shown for write in item["writes"]}
