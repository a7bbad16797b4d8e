"""A ticket with a past: two runs of a first agent, one of a second, and what people said meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from tests.support.approvals import waiting_approval
from tests.support.console import Console

from deskhand.agents.models import Agent, AgentTrigger
from deskhand.intake.models import WebhookDelivery
from deskhand.knowledge.models import EnhancementFeedback
from deskhand.tenants.service import record_enhancement

DESK = "servicedesk_plus"
FIRST = "**Category:** Network\n\n- Check the certificate on LT-4471."
SECOND = "**Category:** Network\n\n- The certificate has expired: renew it as in KB-214."
SUBJECT = "VPN stops at \u201cverifying certificate\u201d since this morning"


def read_of(ticket_id: str, number: str, **fields: Any) -> dict[str, Any]:
    """The step by which a run reads its own ticket."""
    output = {"id": ticket_id, "display_id": number, "subject": SUBJECT, "company": None, "url": None, **fields}
    return {"step_key": "get_ticket#1", "input": {"ticket_id": ticket_id}, "output": output}


def change_of(field: str, before: str, after: str) -> dict[str, Any]:
    """One field of a receipt."""
    return {"field": field, "vendor_field": field, "before": before, "after": after,
            "before_text": before, "after_text": after}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Past:
    """What was built."""

    agent: Agent
    first: UUID
    second: UUID
    asking: UUID

    ticket_id: str = "880017"
    number: str = "1059"

    @property
    def page(self) -> str:
        return f"/tickets/{DESK}/{self.ticket_id}"


async def delivery(console: Console, agent: Agent, at: datetime, **columns: Any) -> None:
    """A delivery to the agent's webhook that names the ticket."""
    values = {"outcome": "accepted", "http_status": 202, "tool_type": DESK, "ticket_ref": "880017", "scheme": "hmac",
              "event": "request_created", **columns}  # fmt: skip
    async with console.db.tenant_session(agent.tenant_id) as session:
        trigger = await session.scalar(select(AgentTrigger.id).where(AgentTrigger.agent_id == agent.id))
        session.add(WebhookDelivery(tenant_id=agent.tenant_id, trigger_id=trigger, received_at=at, **values))


async def build_past(console: Console, *, url: str = "https://desk.example.com/wo?id=880017") -> Past:
    """A ticket that the agent noted, noted anew and asked about."""
    agent = await console.agent(name="Triage notes")
    other = await console.agent(name="Hardware desk")
    now = await console.now()
    ticket, runs = "880017", []
    for place, (text, ago) in enumerate(((FIRST, 7200), (SECOND, 3600))):
        note = {"markdown": text, "sources": [], "note_id": "50311"}
        read = ["The whole description was read.", "12 of 40 comments read."]
        run = await console.execution(
            agent, ticket=ticket, ago=ago, status="completed", attempt=1,
            started_at=now - timedelta(seconds=ago - 1), completed_at=now - timedelta(seconds=ago - 9),
            output_result={"note": note, "read": read if place else []},
        )  # fmt: skip
        runs.append(run)
        began = now - timedelta(seconds=ago - 2)
        company = {"id": "c-7", "name": "Nordwind GmbH"}
        await console.step(
            "acme", run, "get_ticket", started_at=began, **read_of(ticket, "1059", url=url, company=company)
        )
        await console.step("acme", run, "search_tickets", started_at=began, step_key="search#1")
        await console.step("acme", run, "search_tickets", started_at=began, step_key="search#2")
        async with console.db.tenant_session("acme") as session:
            await record_enhancement(
                session, run_id=run, tenant_id="acme", ticket_id=ticket, context={}, note=text, took_ms=7
            )
        await delivery(console, agent, now - timedelta(seconds=ago), execution_id=run)
    first, second = runs
    await console.step("acme", first, "add_note", kind="write", step_key="add_note:note", mark="m1",
                       started_at=now - timedelta(seconds=7192), input={"body": FIRST, "public": False},
                       output={"id": "50311", "ticket_id": ticket, "mark": "m1", "changes": []})  # fmt: skip
    changes = [change_of("priority", "Low", "High"), change_of("group", "", "Network")]
    await console.step("acme", second, "update_ticket", kind="write", step_key="c1", mark="m2",
                       started_at=now - timedelta(seconds=3595), input={"priority": "high"},
                       output={"id": "9", "ticket_id": ticket, "mark": "m2", "changes": changes})  # fmt: skip
    await console.step("acme", second, "update_note", kind="write", step_key="add_note:note", mark="m3",
                       started_at=now - timedelta(seconds=3592),
                       input={"body": SECOND, "note_id": "50311", "before": FIRST, "public": False},
                       output={"id": "50311", "ticket_id": ticket, "mark": "m3", "changes": []})  # fmt: skip
    async with console.db.tenant_session("acme") as session:
        session.add(EnhancementFeedback(tenant_id="acme", ticket_id=ticket, enhancement_id=first,
                                        technician_email="ines@acme.example", feedback_type="thumbs_down",
                                        feedback_comment="It was the certificate."))  # fmt: skip
    asking = await console.execution(
        other, ticket=ticket, ago=60, status="waiting", attempt=1, error_code="approval", error_message="Asks first."
    )
    await waiting_approval(
        console.db, "acme", asking, ticket_id=ticket,
        ticket={"number": "1059", "subject": SUBJECT, "priority": "low", "tags": [], "custom": {}},
    )  # fmt: skip
    await delivery(console, other, now - timedelta(seconds=30), outcome="ignored", reason="The agent is suspended.")
    return Past(agent, first, second, asking)
