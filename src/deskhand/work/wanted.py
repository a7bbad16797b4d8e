"""Whether a run fits the event filter of its trigger, where that was not known when it was started."""

from __future__ import annotations

from deskhand.agents.event_filter import EventFacts
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import Ticket
from deskhand.work.due import is_repeated_by_hand
from deskhand.work.prompting import is_run_by_hand, occasion_time
from deskhand.work.run import Run


async def why_unwanted(db: Database, run: Run, ticket: Ticket | None) -> str | None:
    """Why the run has nothing to do, in a sentence; None where it fits, or a person asked for it.

    Args:
        db: Sessions.
        run: Of a webhook or a schedule.
        ticket: What it is about; None: nothing, so that the filter may ask the time alone.
    """
    wanted = run.event_filter
    # What an earlier attempt began is finished, whatever has become of the ticket meanwhile.
    if wanted is None or run.execution.mode != "live" or run.journal.begun_writes:
        return None
    in_hours = run.hours.are_on(occasion_time(run.execution), ticket)
    why = wanted.why_not(EventFacts(in_hours=in_hours) if ticket is None else ticket_facts(ticket, in_hours=in_hours))
    if why is None or is_run_by_hand(run.execution) or await is_repeated_by_hand(db, run):
        return None
    return f"{why} Nothing was done."


def ticket_facts(ticket: Ticket, *, in_hours: bool | None) -> EventFacts:
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
        in_hours=in_hours,
    )
