"""The same agent and the same ticket on every desk there is, run to the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.desks import DESKS, KINDS
from tests.support.product import Customer, Desk, Product, until

from deskhand.knowledge import importer as knowledge
from deskhand.knowledge.embedding import LexicalOnly

HISTORY = Path(__file__).parent.parent.parent / "src/deskhand/demo/data/resolved_tickets.jsonl"

AGENT = {
    "name": "First look",
    "system_prompt": "You prepare technicians: what is the ticket about, and what should they do next?",
    "llm_config": {"model": "gpt-4", "temperature": 0.0},
    "triggers": [{"trigger_type": "webhook"}],
}
SUBJECT = "VPN drops after the Windows update"
DESCRIPTION = "Since this morning my **AnyConnect** VPN drops:\n\n- after ten minutes\n- only when working from home"


@dataclass(frozen=True, slots=True)
class Landed:
    """What one desk got.

    Attributes:
        notes: On the ticket, as the desk shows them.
        execution: The finished run, as the API shows it.
        deliveries: Outcome of each webhook the desk sent: the new ticket, and our own note coming back.
    """

    customer: Customer
    desk: Desk
    ticket_id: str
    notes: list[dict[str, Any]]
    effects: dict[str, Any]
    execution: dict[str, Any]
    deliveries: list[str]


async def note_on_every_desk(product: Product) -> dict[str, Landed]:
    """A tenant per desk, each with the same history, the same agent and the same new ticket.

    Returns:
        By tool type.
    """
    await product.start_worker()
    return {tool_type: await _note_on(product, tool_type) for tool_type in DESKS}


async def _note_on(product: Product, tool_type: str) -> Landed:
    desk = await product.open_desk(tool_type)
    customer = await product.customer(tool_type.replace("_", "-"), desk=desk, **AGENT)
    await knowledge.import_tickets(product.db, customer.tenant_id, HISTORY, embedder=LexicalOnly())
    await product.point_desk_at(customer)
    ticket_id = await desk.file_ticket(SUBJECT, DESCRIPTION, category="Network", priority=KINDS[tool_type].medium)

    async def echo() -> list[str]:
        query = "SELECT outcome FROM webhook_deliveries WHERE tenant_id = $1 ORDER BY received_at"
        outcomes = [str(row["outcome"]) for row in await product.rows(query, customer.tenant_id)]
        return outcomes if "ignored" in outcomes or "rejected" in outcomes else []

    async def started() -> list[dict[str, Any]]:
        return list((await customer.client.get("/api/v1/executions")).json()["items"])

    (first, *_) = await until(started)
    execution = await product.ended(customer, str(first["id"]))
    assert execution["status"] == "completed", execution
    deliveries = await until(echo)
    return Landed(
        customer=customer,
        desk=desk,
        ticket_id=ticket_id,
        notes=await desk.notes(ticket_id),
        effects=await desk.effects(ticket_id),
        execution=execution,
        deliveries=deliveries,
    )
