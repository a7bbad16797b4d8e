"""What a run does about a ticket that is one of many about one outage: it speaks of the storm once, or says nothing.

The first tickets of a storm get their notes, for nobody can know yet. The run that recognises it writes one note about
all of them, and so does one whenever the storm has grown fourfold; every other one ends here, before anything is looked
up and before a model is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from deskhand.agents.outcomes import OutcomeKind
from deskhand.engine.claims import Ending
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import ForbiddenError
from deskhand.kit.clock import utc_now
from deskhand.kit.db.session import Database
from deskhand.knowledge.embedding import Embedder, embed_texts
from deskhand.notes.markup import plain
from deskhand.notifications.service import note_storm
from deskhand.plugins.contract import Ticket
from deskhand.plugins.errors import DeskNotFoundError
from deskhand.storms import service as storms
from deskhand.storms.likeness import digest_of, words_of
from deskhand.storms.schemas import Report, StormTicket, StormView
from deskhand.storms.service import Part
from deskhand.tenants.storm_rules import storm_rules
from deskhand.tools.values import Scope
from deskhand.work.due import was_asked
from deskhand.work.hands import DeskHands
from deskhand.work.note_outcome import NOTE_KEY, withheld
from deskhand.work.people import names_of
from deskhand.work.research import query_for
from deskhand.work.run import Run

STORM = "storm"
"""Names, for programs, why a run wrote nothing: its ticket is one of a storm."""
STORM_KEY = "add_note:storm"
OLDEST = timedelta(days=1)
"""A ticket that was filed longer ago tells nothing of what happens now: somebody edits old ones."""
_LONGEST_COMPANY = 255
_LISTED = 20


@dataclass(frozen=True, slots=True)
class Storming:
    """Looks at the tickets of runs for storms.

    Attributes:
        db: Sessions.
        embedder: Makes the vectors by which tickets are compared.
    """

    db: Database
    embedder: Embedder

    async def part_of(self, run: Run, ticket: Ticket) -> Part | None:
        """The storm that ends the run; None where the ticket is of none, or gets its note all the same."""
        rules = storm_rules(run.tenant.enhancement_preferences)
        # A dry run shows what would be written; a note that an earlier attempt began is finished.
        is_asked = run.execution.mode == "live" and run.outcome.kind is OutcomeKind.NOTE
        if not rules.on or not is_asked or NOTE_KEY in run.journal.begun_writes:
            return None
        report = await self._report(run, ticket)
        if report is None:
            return None
        tenant_id, now = run.execution.tenant_id, utc_now()
        async with self.db.tenant_session(tenant_id) as session:
            part = await storms.see(session, tenant_id, report, rules, now=now)
            if part is not None and part.has_begun:
                # In the transaction in which it becomes one, so that it is told of once.
                await note_storm(session, tenant_id, part.storm)
        if part is None or part.speaks:
            return part
        # Where people talk about the outage a note may come; and what comes after it is about something else.
        if not part.is_news and (part.is_first or part.storm.over_at < now):
            return None
        return None if run.waited or await was_asked(self.db, run) else part

    async def end(self, run: Run, own: DeskHands, ticket: Ticket, part: Part) -> Ending:
        """End the run of a ticket of a storm: with the storm's note, or with a word about why there is none.

        Raises:
            NotApprovedError: A person did not approve the note.
        """
        storm = part.storm
        told = {"id": str(storm.id), "first": storm.first_number, "tickets": storm.tickets, "spoke": False}
        if not part.speaks or not own.may("add_note"):
            why = (
                f"It is one of {storm.tickets} tickets that report the same, {storm.first_number} first;"
                " it was counted among them, and nothing was written."
            )
            ended = withheld(run, why)
            return replace(ended, output={**(ended.output or {}), "not_written_code": STORM, STORM: told})
        async with self.db.tenant_session(run.execution.tenant_id) as session:
            # As many as the note counts, so that each attempt writes the same.
            members = await storms.first_tickets(session, storm.id, limit=part.told)
        body = note_of(storm, members)
        ref = await _home(own, ticket, storm)
        approved = await own.ask("add_note", {"body": body}, key=STORM_KEY, ref=ref, reason="One note for an outage.")
        body = str(approved["body"])
        receipt = await own.add_note(body, key=STORM_KEY, ref=ref)
        note = {"markdown": body, "note_id": receipt.id or None, "word_count": len(body.split())}
        output = {"outcome": run.outcome.kind.value, "note": note, "degraded": False, STORM: {**told, "spoke": True}}
        return Ending(ExecutionStatus.COMPLETED, output=output)

    async def _report(self, run: Run, ticket: Ticket) -> Report | None:
        """The ticket as it is compared; None where it is too old, or nobody knows whose it is."""
        now = utc_now()
        filed = min(ticket.created_at or now, now)
        if now - filed > OLDEST or (run.wall.is_up and ticket.company is None):
            return None
        company = ticket.company if run.wall.is_up else None
        said = query_for(ticket)
        # The search takes the same words, so it is made once for both.
        (vector,) = await embed_texts(self.embedder, [said])
        return Report(
            tool_type=ticket.tool_type,
            ticket_id=ticket.id,
            number=ticket.display_id,
            company=_key_of(company.id) if company else "",
            company_name=company.name[:_LONGEST_COMPANY] if company else "",
            requester=_requester(ticket),
            execution_id=run.execution.id,
            reported_at=filed,
            words=words_of(said),
            vector=vector,
            model=self.embedder.name if vector is not None else None,
        )


def note_of(storm: StormView, members: Sequence[StormTicket]) -> str:
    """The one note of a storm, as far as its tickets are known."""
    minutes = max(1, round((members[-1].reported_at - members[0].reported_at) / timedelta(minutes=1)))
    numbers = ", ".join(plain(one.number) for one in members[:_LISTED])
    rest = f" and {len(members) - _LISTED} more" if len(members) > _LISTED else ""
    usual = f"usually up to {storm.usual} come in as long" if storm.usual else "usually none come in as long"
    within = f"{minutes} minute{'s' if minutes > 1 else ''}"
    return (
        f"**{len(members)} tickets report the same within {within}: this looks like one outage.**"
        f" By the four weeks before, {usual}.\n\n"
        f"**Tickets:** {numbers}{rest}, the first of them first.\n\n"
        "Further tickets about it are counted and get no note of their own until none has come for a while."
    )


async def _home(own: DeskHands, ticket: Ticket, storm: StormView) -> str | None:
    """The first ticket, if the agent may write on others; else None, the run's own."""
    if storm.first_ticket_id == ticket.id or own.scope("add_note") is not Scope.ANY:
        return None
    try:
        return await own.find_ticket("add_note", storm.first_ticket_id)
    except (ForbiddenError, DeskNotFoundError):
        # It is another company's by now, kept out, or gone.
        return None


def _key_of(company_id: str) -> str:
    return company_id if len(company_id) <= _LONGEST_COMPANY else digest_of(company_id)


def _requester(ticket: Ticket) -> str:
    """Stands for who filed a ticket: by the mail address, which a desk gives more reliably than its own id."""
    if ticket.requester is None:
        return ""
    names = dict(names_of(ticket.requester))
    return digest_of(names.get("email") or names.get("id") or names.get("account") or "")
