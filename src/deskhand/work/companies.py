"""The wall around one run: what belongs to another client company than its ticket's is neither found nor shown, nor is
what the tenant's boundaries keep out.

Past tickets, articles and systems are kept apart by the database, to which each look-up says whom the run works for. A
desk knows no such wall: what it gives of another company is dropped here, before the journal or a model has seen it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import ForbiddenError
from deskhand.kit.db.companies import SHARED_ONLY, Scope
from deskhand.knowledge.boundaries import may_keep
from deskhand.plugins.contract import Company, Ticket, TicketDraft, TicketingToolPlugin
from deskhand.tenants.boundaries import NO_BOUNDARIES, Boundaries, Decision, Effect
from deskhand.tenants.companies import mode_of, naming_desks, note_companies, note_run_company, scope_of

TICKET = TypeAdapter(Ticket)
KEPT_OUT = "kept_out"
"""Names, for programs, why a run wrote nothing: a tenant's rule keeps agents from its ticket."""
REFUSED = "refused"
"""Stands in the journal for a ticket that the run may not see."""


@dataclass(slots=True)
class CompanyWall:
    """Whom one run works for; until its ticket was read, for nobody, and it sees what is shared.

    Attributes:
        mapping: The tenant's setting, by desk.
        desks: Every desk the installation knows.
        boundaries: The tenant's rules, above what the agent was granted.
        scope: What its look-ups may see.
        kept_out: A rule was found to be about a ticket that the run was at work on.
    """

    mapping: Mapping[str, str]
    desks: frozenset[str]
    boundaries: Boundaries = NO_BOUNDARIES
    scope: Scope = SHARED_ONLY
    kept_out: bool = False
    _own: Ticket | None = None
    _naming: frozenset[str] = frozenset()

    async def enter(
        self, session: AsyncSession, tenant_id: str, ticket: Ticket | None, *, execution_id: UUID | None = None
    ) -> None:
        """Begin to work for the company of a ticket; for none, in a run that no ticket started.

        Args:
            session: Of the tenant.
            tenant_id: Whose desk.
            ticket: What was read.
            execution_id: Of the run, so that members who are limited to that company may see it.
        """
        company = None
        if ticket is not None and ticket.company is not None:
            # Remembered first: the desk's first company puts the wall up, for this very run as well.
            named = (ticket.tool_type, ticket.company.id, ticket.company.name)
            (first_name,) = (await note_companies(session, tenant_id, [named])).values()
            # By the name that it was first told by, and not by today's, which another one may have had before it.
            company = (ticket.company.id, first_name)
        self._naming = await naming_desks(session)
        self._own = ticket
        self.scope = scope_of(
            self.mapping,
            self._naming,
            self.desks,
            tool_type=ticket.tool_type if ticket else None,
            company=company,
        )
        if execution_id is not None and ticket is not None and ticket.company is not None and self.is_up:
            company_id = ticket.company.id
            await note_run_company(session, tenant_id, execution_id, tool_type=ticket.tool_type, company_id=company_id)

    def admits(self, ticket: Ticket) -> bool:
        """Whether a ticket of a desk may be shown to the run."""
        own = self._own
        # A run that no ticket started works for the tenant itself: its desks are what the agent was granted.
        if own is None or self._is_own(ticket):
            return True
        if not self._is_apart(own.tool_type):
            return not self._is_apart(ticket.tool_type)
        return own.tool_type == ticket.tool_type and is_same_company(own.company, ticket.company)

    async def read(self, desk: TicketingToolPlugin, ref: str, *, with_notes: bool) -> Any:
        """A ticket for the journal; of one that the run may not see the refusal and nothing else."""
        ticket = await desk.get_ticket(ref, with_notes=with_notes)
        if not self.admits(ticket):
            return {REFUSED: "That ticket does not belong to the company of the ticket that started the run."}
        # The run's own ticket may be a sensitive one; to any other run such a ticket is closed.
        effects = (Effect.SILENCE,) if self._is_own(ticket) else ()
        decision = self.decide(ticket, *effects)
        return ticket if decision is None else {REFUSED: f"{decision.words}: it is not for this run to see."}

    async def read_own(self, desk: TicketingToolPlugin, ref: str) -> Any:
        """The ticket that started the run, for the journal; where nothing may be done about it the reason alone."""
        ticket = await desk.get_ticket(ref)
        why = self.why_left_alone(ticket)
        return {REFUSED: why} if why else ticket

    def decide(self, ticket: Ticket, *effects: Effect) -> Decision | None:
        """The tenant's rule about a ticket that was read."""
        return self.boundaries.decide(self.boundaries.of_ticket(ticket), *effects)

    def why_silent(self, ticket: Ticket) -> str | None:
        """Why nothing may be done about a ticket, in a sentence; None if it may."""
        return self.boundaries.why_silent(self.boundaries.of_ticket(ticket))

    def why_left_alone(self, ticket: Ticket) -> str | None:
        """The same of a ticket that the run is at work on; it is remembered, so that the run's end can name it."""
        why = self.why_silent(ticket)
        self.kept_out = self.kept_out or why is not None
        return why

    def ensure_may_file(self, tool_type: str, draft: TicketDraft) -> None:
        """Refuse to file a ticket for another company, or where the tenant wants nothing written.

        Raises:
            ForbiddenError: The run works for one company, and the ticket would be another's; or a rule is about it.
        """
        if why := self.boundaries.why_silent(self.boundaries.of_draft(tool_type, draft)):
            raise ForbiddenError(why)
        own, company = self._own, draft.company
        if own is None or company is None or not self._is_apart(own.tool_type):
            return
        names = () if own.company is None or own.tool_type != tool_type else (own.company.id, own.company.name)
        if company not in names:
            raise ForbiddenError("The run may file tickets for the company of its own ticket alone.")

    async def admitted(self, desk: TicketingToolPlugin, tickets: Iterable[Ticket]) -> list[Ticket]:
        """The tickets of a desk's list that may be shown to the run; of which the list says too little, those are read.

        Raises:
            DeskError: The desk does not show one of these.
        """
        return [ticket for ticket in tickets if self.admits(ticket) and await self._is_inside(desk, ticket)]

    async def _is_inside(self, desk: TicketingToolPlugin, ticket: Ticket) -> bool:
        if self._is_own(ticket):
            return self.why_silent(ticket) is None
        return await may_keep(self.boundaries, desk, ticket, is_listed=True)

    def _is_own(self, ticket: Ticket) -> bool:
        own = self._own
        return own is not None and (own.tool_type, own.id) == (ticket.tool_type, ticket.id)

    def has_moved(self, now: Ticket) -> bool:
        """Whether the run's ticket belongs to another company than the run has worked for."""
        own = self._own
        return own is not None and _id_of(own) != _id_of(now)

    def output(self, done: Mapping[str, Any]) -> dict[str, Any]:
        """For a run's output: the company it worked for, where its desk names one, and that a rule ended it.

        Args:
            done: What the run ended in.
        """
        company = self._own.company if self._own else None
        return {
            **({} if company is None else {"company": {"id": company.id, "name": company.name}}),
            **({"not_written_code": KEPT_OUT} if self.kept_out and done.get("not_written") else {}),
        }

    @property
    def is_up(self) -> bool:
        """Whether the run's desk keeps companies apart, so that its ticket may leave the one it is of."""
        return self._own is not None and self._is_apart(self._own.tool_type)

    def _is_apart(self, tool_type: str) -> bool:
        return mode_of(self.mapping, tool_type, self._naming) == "company"


def read_ticket(raw: Mapping[str, Any]) -> Ticket:
    """A ticket as the journal has it.

    Raises:
        ForbiddenError: It is of another company, and the journal has the refusal.
    """
    if REFUSED in raw:
        raise ForbiddenError(raw[REFUSED])
    return TICKET.validate_python(raw)


def is_same_company(one: Company | None, other: Company | None) -> bool:
    """Whether two tickets are known to be of one company; two of which nobody knows are not."""
    return one is not None and other is not None and one.id == other.id


def _id_of(ticket: Ticket) -> str | None:
    # Not by name: a company that is renamed is the same one.
    return None if ticket.company is None else ticket.company.id
