"""Whether the ticket fits the event filter of the trigger, where its event did not say enough to tell."""

from __future__ import annotations

from deskhand.agents.event_filter import EventFacts
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import Ticket
from deskhand.work.due import is_repeated_by_hand
from deskhand.work.run import Run


async def why_unwanted(db: Database, run: Run, ticket: Ticket) -> str | None:
    """Why the run has nothing to do, in a sentence; None where its ticket fits, or a person asked for the run."""
    wanted = run.event_filter
    # What an earlier attempt began is finished, whatever has become of the ticket meanwhile.
    if wanted is None or run.execution.mode != "live" or run.journal.begun_writes:
        return None
    why = wanted.why_not(ticket_facts(ticket))
    if why is None or await is_repeated_by_hand(db, run):
        return None
    return f"{why} Nothing was done."


def ticket_facts(ticket: Ticket) -> EventFacts:
    """What a filter may ask of a ticket; its event was asked before the run started."""
    person = ticket.requester
    return EventFacts(
        desk=ticket.tool_type,
        status=ticket.status or "",
        priority=tuple(word for word in (ticket.priority, ticket.vendor_priority) if word),
        group=ticket.group or "",
        requester=(person.email if person else None) or "",
        subject=ticket.subject,
        description=ticket.description,
    )
