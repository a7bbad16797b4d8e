"""Whether what a run ends in still helps anybody: not on a ticket that a person has solved meanwhile, and not too late.

The first look at a ticket is kept in the journal, so a run that was tried again, or whose model took its time, asks the
desk once more before it writes. What a run closed by itself was not solved by a person.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from deskhand.agents.outcomes import OutcomeKind
from deskhand.intake.second_look import has_news, read_event
from deskhand.kit.clock import utc_now
from deskhand.plugins.contract import Ticket
from deskhand.plugins.errors import DeskNotFoundError
from deskhand.tenants.note_rules import note_rules
from deskhand.work.due import was_asked
from deskhand.work.hands import DeskHands
from deskhand.work.last_look import CLOSING
from deskhand.work.merging import GONE, why_merged
from deskhand.work.run import Run

CLOCKS_APART = timedelta(minutes=1)
"""By how much a desk's clock may differ: an event about a solved ticket must not look like one that came before it."""
SECONDS_OF_A_LOOK = 10.0
"""How long what was seen of a ticket counts as what it is."""
_SECONDS_OF_A_READ = 1.0
_ON_TICKET = frozenset({OutcomeKind.NOTE, OutcomeKind.REPLY, OutcomeKind.FIELDS})


@dataclass(slots=True)
class Timeliness:
    """Judges one look of one run.

    Attributes:
        ticket: As the journal has it.
        key: Journal key of the write that the look ends in.
    """

    run: Run
    own: DeskHands
    ticket: Ticket
    key: str
    seen_at: float = field(default_factory=time.monotonic)

    async def why_not(self, *, has_closed: bool = False) -> str | None:
        """Why nothing is to be written any more; None if it is.

        Args:
            has_closed: The run itself may have closed the ticket.
        """
        run = self.run
        # A dry run shows what would be written. A write that an earlier attempt began is finished whatever has become
        # of its ticket: it may be there.
        if run.execution.mode != "live" or self.key in run.journal.begun_writes:
            return None
        # Before all else, and though somebody asked for the run: it is no ticket any more that anybody reads.
        if why := why_merged(self.ticket) or await self._why_too_late():
            return why
        if run.outcome.kind not in _ON_TICKET:
            return None
        return _too_old(run, utc_now()) or await self._why_solved(has_closed=has_closed)

    async def _why_solved(self, *, has_closed: bool) -> str | None:
        run = self.run
        if has_closed or CLOSING & {key.partition(":")[0] for key in run.journal.begun_writes}:
            return None
        if _solved_since(self.ticket, run.execution.queued_at + CLOCKS_APART):
            return _SOLVED
        # On every look a request to the desk would be paid by all runs for the few that are slow, or have news.
        looked = time.monotonic() - self.seen_at
        if run.execution.attempt == 1 and looked < SECONDS_OF_A_LOOK and not await self._has_news(looked):
            return None
        try:
            now = await self._look()
        except DeskNotFoundError:
            return GONE
        # A ticket may go to a group from which the tenant keeps agents out, while a model takes its time.
        if why := run.wall.why_left_alone(now) or why_merged(now):
            return why
        return _SOLVED if now.is_closed and not self.ticket.is_closed else None

    async def _has_news(self, seconds: float) -> bool:
        """Whether the desk has told of the ticket since it was read; what started the run is none."""
        execution, ticket = self.run.execution, self.ticket
        # The read took a moment itself, in which the desk may have told already.
        within = timedelta(seconds=seconds + _SECONDS_OF_A_READ)
        return await has_news(
            self.own.db, execution.tenant_id, (ticket.tool_type, ticket.id), within=within, besides=execution.id
        )

    async def _why_too_late(self) -> str | None:
        run = self.run
        # What an agent does by its tools alone has no key of its own: where some of it was begun, the rest is done.
        if run.outcome.kind not in _ON_TICKET and run.journal.begun_writes:
            return None
        why = self._too_late(utc_now())
        # What somebody asked for is wanted, however late it is.
        return None if why is None or await was_asked(self.own.db, run) else why

    def _too_late(self, now: datetime) -> str | None:
        run, rules = self.run, note_rules(self.run.tenant.enhancement_preferences)
        filed = self.ticket.created_at
        days, hours = rules.oldest_ticket_days, rules.latest_event_hours
        if days is not None and filed is not None and now - filed - run.waited > timedelta(days=days):
            return f"The ticket was filed more than {days} days ago; nothing was written."
        if hours is None:
            return None
        event = read_event(type(self.own.desk), run.execution.input_payload)
        # The desk may have told us late, or we were away ourselves: people have looked at it long since.
        at = run.execution.queued_at if event is None else event.occurred_at or run.execution.queued_at
        if now - min(at, run.execution.queued_at) - run.waited <= timedelta(hours=hours):
            return None
        return f"The event is more than {hours} hours old; nothing was written."

    async def has_moved(self) -> bool:
        """Whether the ticket is another company's by now, so that what was found is not for it."""
        run = self.run
        # Asked where companies are kept apart alone: elsewhere each run would pay a request for nothing.
        if not run.wall.is_up or self.key in run.journal.begun_writes:
            return False
        return run.wall.has_moved(await self._look())

    async def _look(self) -> Ticket:
        self.seen_at = time.monotonic()
        return await self.own.desk.get_ticket(self.ticket.id, with_notes=False)


_SOLVED = "A person solved the ticket meanwhile; nothing was written."


def _solved_since(ticket: Ticket, instant: datetime) -> bool:
    solved_at = ticket.resolved_at or ticket.updated_at
    return ticket.is_closed and solved_at is not None and solved_at > instant


def _too_old(run: Run, now: datetime) -> str | None:
    limit = run.outcome.max_age_minutes
    # What people took to answer an approval is their own choice, and not the run's age.
    if limit is None or now - run.execution.queued_at - run.waited <= timedelta(minutes=limit):
        return None
    return f"It would come later than the agent's limit of {limit} minutes after the event; nothing was written."
