"""What an event says that a filter may ask, and a filter tried on what came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.event_filter import REFUSED, EventFacts, EventFilter
from deskhand.agents.models import AgentTrigger
from deskhand.intake.models import WebhookDelivery
from deskhand.intake.schemas import Outcome
from deskhand.kit.schema import InputModel
from deskhand.plugins.contract import TicketEvent
from deskhand.plugins.text import truncate
from deskhand.tenants.calendars import NO_CALENDARS, Calendars, stored_calendars
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.traits import Trait

MOST_TRIED = 200
SUBJECT_CHARACTERS, TEXT_CHARACTERS = 300, 2_000
_KEPT = ("status", "group", "requester", "subject", "description")


class FilterTrial(InputModel):
    """A filter to try on the tenant's newest deliveries."""

    event_filter: EventFilter
    agent_id: UUID | None = Field(None, description="Only deliveries to this agent.")
    limit: int = Field(50, ge=1, le=MOST_TRIED, description="How many of the newest are looked at.")


class TriedDelivery(BaseModel):
    """What the filter makes of one delivery."""

    id: UUID
    received_at: Any
    event: str | None
    tool_type: str | None
    ticket_ref: str | None
    would_start: Literal["yes", "no", "open"] = Field(
        description="`open`: the event does not say enough; the run reads the ticket and decides before it does more."
    )
    why: str | None = Field(None, description="Why not, or what is open.")


class TriedFilter(BaseModel):
    """What the filter makes of the newest deliveries, newest first."""

    deliveries: list[TriedDelivery]
    would_start: int = Field(description="How many would have started a run, those that are open left out.")
    open: int


def facts_of(tool_type: str, event: TicketEvent) -> EventFacts:
    """What a filter may ask of an event."""
    ticket = event.ticket
    return EventFacts(
        desk=tool_type,
        event=event.event,
        status=ticket.status,
        priority=(ticket.priority,) if ticket.priority else None,
        group=ticket.group,
        requester=ticket.requester_email,
        subject=ticket.subject,
        description=ticket.description,
    )


def kept_facts(facts: EventFacts) -> dict[str, Any]:
    """What is stored of them with the delivery; its desk and its event stand there already."""
    kept = {name: value for name in _KEPT if (value := getattr(facts, name)) is not None}
    lengths = {"description": TEXT_CHARACTERS}
    cut = {name: truncate(value, lengths.get(name, SUBJECT_CHARACTERS)) for name, value in kept.items()}
    return {**cut, **({"priority": list(facts.priority)} if facts.priority else {})}


async def try_filter(session: AsyncSession, trial: FilterTrial) -> TriedFilter:
    """What a filter would have made of the newest deliveries that were read at all."""
    d = WebhookDelivery
    query = select(d).where(d.outcome != Outcome.REJECTED.value)
    if trial.agent_id is not None:
        query = query.join(AgentTrigger, AgentTrigger.id == d.trigger_id).where(AgentTrigger.agent_id == trial.agent_id)
    rows = (await session.scalars(query.order_by(d.received_at.desc(), d.id.desc()).limit(trial.limit))).all()
    calendars = NO_CALENDARS
    if trial.event_filter.asks_hours:
        calendars = stored_calendars(await session.scalar(select(TenantConfig.enhancement_preferences)))
    tried = [_tried(row, trial.event_filter, calendars) for row in rows]
    verdicts = [one.would_start for one in tried]
    return TriedFilter(deliveries=tried, would_start=verdicts.count("yes"), open=verdicts.count("open"))


def _tried(row: WebhookDelivery, wanted: EventFilter, calendars: Calendars) -> TriedDelivery:
    would_start, why = _verdict(row, wanted, calendars)
    names = ("id", "received_at", "event", "tool_type", "ticket_ref")
    return TriedDelivery(**{name: getattr(row, name) for name in names}, would_start=would_start, why=why)


def _verdict(
    row: WebhookDelivery, wanted: EventFilter, calendars: Calendars
) -> tuple[Literal["yes", "no", "open"], str | None]:
    # What another reason kept from starting a run, no filter would have let start one.
    if row.outcome == Outcome.IGNORED.value and not (row.reason or "").startswith(REFUSED):
        return "no", row.reason
    # Whose ticket it is is not kept with a delivery.
    facts = replace(_stored_facts(row), in_hours=calendars.is_open(row.received_at, Trait()))
    if why := wanted.why_not(facts):
        return "no", why
    if unsaid := wanted.open_conditions(facts):
        return "open", f"The event does not say: {', '.join(name.replace('_', ' ') for name in unsaid)}."
    return "yes", None


def _stored_facts(row: WebhookDelivery) -> EventFacts:
    stored: Mapping[str, Any] = row.facts or {}
    texts = {name: stored.get(name) for name in _KEPT}
    priority = tuple(stored["priority"]) if stored.get("priority") else None
    return EventFacts(desk=row.tool_type, event=row.event, priority=priority, **texts)
