"""A trial of one note on a real desk: written once, read back, compared, and remembered on the connection.

The ticket as it was is stored before the note is written, and with it the note's mark. Whoever tries again under the
same key, after a click too many or after a process that died, finds that note by its mark and reads the ticket again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.audit import service as audit
from deskhand.errors import ConflictError, DeskhandError, FieldProblem, InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database, database_now
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.marks import MarkMaker
from deskhand.kit.storable import storable
from deskhand.plugins.contract import NoteDraft, Ticket, TicketingToolPlugin
from deskhand.plugins.errors import DeskNotFoundError, DeskUnavailableError
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.boundaries import read_boundaries
from deskhand.tenants.connections import desk_for
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.note_trials.judging import Look, Written, judge, worst
from deskhand.tenants.note_trials.rules import last_trial, stored_parts
from deskhand.tenants.note_trials.schemas import NoteTrialRequest, NoteTrialResponse, TrialState
from deskhand.tenants.service import TenantService

SECONDS = 40.0
"""For all calls together; whoever tries a note waits for it."""
LEASE = timedelta(minutes=2)
"""How long a trial that says nothing more counts as under way: longer than ``SECONDS``, and its process is dead."""
NOTE = (
    "Deskhand tries out this desk with this one note: whether the requester sees it or is mailed about it, and what it"
    " changes on the ticket. Nobody has to do anything about it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A trial as it stands before its note; JSON."""

    key: str
    mark: str
    ticket: str
    ticket_id: str
    by: str
    until: str
    before: dict[str, Any]
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteTrials:
    """Tries notes on the desks of one tenant.

    Attributes:
        db: Sessions; none is held while a desk is asked.
        secrets: Decrypts the connection, and makes the note's mark.
        plugins: Registered desks.
        http: The one door out.
        principal: Who asks.
        tenant_id: Whose connection.
    """

    db: Database
    secrets: SecretBox
    plugins: PluginManager
    http: HttpClientFactory
    principal: Principal
    tenant_id: str

    async def last(self, tool_type: str) -> NoteTrialResponse | None:
        """What was tried last: one that is under way or broken before one that was read to its end; None: none was.

        Raises:
            NotFoundError: There is no such tenant or desk.
        """
        self.plugins.get_plugin(tool_type)
        async with self.db.tenant_session(self.tenant_id) as session:
            tenant, now = await self._tenant(session), await database_now(session)
        return newest_trial(tenant, tool_type, now)

    async def try_note(self, tool_type: str, wanted: NoteTrialRequest) -> NoteTrialResponse:
        """Write one internal note on a ticket and read back what it did.

        Args:
            tool_type: Which desk.
            wanted: The ticket, and what the trial is called.

        Raises:
            NotFoundError: There is no such tenant or desk.
            InvalidInputError: The connection is not complete, or the ticket is not there or not open.
            ConflictError: A trial is under way, or a rule of the tenant keeps agents away from the ticket.
            DeskError: The desk did not answer, or not as it should; the same key goes on with it.
        """
        async with self.db.tenant_session(self.tenant_id) as session:
            tenant = await self._tenant(session)
            boundaries = await read_boundaries(session, tenant.enhancement_preferences)
        desk = desk_for(tenant, tool_type, secrets=self.secrets, plugins=self.plugins, http=self.http)
        try:
            async with asyncio.timeout(SECONDS):
                ticket = await _open_ticket(desk, wanted.ticket)
                if why := boundaries.why_silent(boundaries.of_ticket(ticket)):
                    raise ConflictError(why.replace("nothing was done", "nothing was written"))
                begun, is_repeated = await self._begin(desk, ticket, wanted)
                return await self._carry_out(desk, begun, is_repeated=is_repeated)
        except TimeoutError as error:
            raise DeskUnavailableError(f"{desk.manifest.name} did not answer within {SECONDS:g} s.") from error
        finally:
            await desk.aclose()

    # -- parts -------------------------------------------------------------------------------

    async def _begin(self, desk: TicketingToolPlugin, ticket: Ticket, wanted: NoteTrialRequest) -> tuple[_Begun, bool]:
        """Claim the connection for one trial, and keep the ticket as it was before the note."""
        tool_type, key = desk.manifest.tool_type, wanted.key or uuid4().hex
        # Asked before the claim, since no transaction stays open while a desk is.
        before = Look.of(ticket, await desk.standing(ticket.id))
        async with self.db.tenant_session(self.tenant_id) as session:
            tenant, now = await self._tenant(session, for_update=True), await database_now(session)
            stored = dict(stored_parts(tenant, tool_type))
            if _is_running(stored.get("begun"), now):
                raise ConflictError("A note is being tried on this desk at this moment; look again in a minute.")
            known = _known(stored, key, ticket.id)
            until = (now + LEASE).isoformat()
            begun = _Begun(
                key=key,
                mark=known["mark"] if known else self._mark(tool_type, ticket.id, key),
                ticket=ticket.display_id,
                ticket_id=ticket.id,
                by=self.principal.actor,
                until=until,
                before=known["before"] if known else asdict(before),
            )
            await self._store(session, tenant, tool_type, {**stored, "begun": asdict(begun)})
            await self._audit(session, begun, tool_type, "connection.try_note", {"again": known is not None})
        return begun, known is not None

    def _mark(self, tool_type: str, ticket_id: str, key: str) -> str:
        marks = MarkMaker(self.secrets.derive("marks"))
        return marks.make(f"note-trial/{self.tenant_id}/{tool_type}", f"{ticket_id}/{key}")

    async def _carry_out(self, desk: TicketingToolPlugin, begun: _Begun, *, is_repeated: bool) -> NoteTrialResponse:
        try:
            known = await desk.find_write(begun.ticket_id, begun.mark) if is_repeated else None
            receipt = known or await desk.add_note(begun.ticket_id, NoteDraft(body=NOTE, mark=begun.mark))
            ticket, standing = await desk.get_ticket(begun.ticket_id), await desk.standing(begun.ticket_id)
        except (DeskhandError, TimeoutError, asyncio.CancelledError) as error:
            # At once and not when the claim runs out: whoever waits for the desk may go on with the same key.
            await self._break_off(desk.manifest.tool_type, begun, error)
            raise
        written = Written(receipt=receipt, ticket=ticket, standing=standing)
        findings = judge(Look.stored(begun.before), written, desk.manifest.note_settings)
        async with self.db.tenant_session(self.tenant_id) as session:
            tenant, now = await self._tenant(session, for_update=True), await database_now(session)
            result = NoteTrialResponse(
                tool_type=desk.manifest.tool_type,
                state=TrialState.DONE,
                verdict=worst(findings),
                ticket=begun.ticket,
                note_id=receipt.id,
                key=begun.key,
                tried_at=now,
                tried_by=begun.by,
                findings=findings,
            )
            shown = result.model_dump(mode="json")
            await self._store(session, tenant, result.tool_type, {"done": {**asdict(begun), "result": shown}})
            told = {"verdict": shown["verdict"], "note_id": receipt.id}
            await self._audit(session, begun, result.tool_type, "connection.read_note_trial", told)
        return result

    async def _break_off(self, tool_type: str, begun: _Begun, error: BaseException) -> None:
        detail = error.detail if isinstance(error, DeskhandError) else "The desk did not answer in time."

        async def keep() -> None:
            async with self.db.tenant_session(self.tenant_id) as session:
                tenant, now = await self._tenant(session, for_update=True), await database_now(session)
                over = {**asdict(begun), "until": now.isoformat(), "detail": detail}
                await self._store(session, tenant, tool_type, {**stored_parts(tenant, tool_type), "begun": over})

        # Also where the caller is gone: what is cancelled would lose its own bookkeeping.
        await asyncio.shield(keep())

    async def _tenant(self, session: AsyncSession, *, for_update: bool = False) -> TenantConfig:
        tenants = TenantService(session, secrets=self.secrets, plugins=self.plugins)
        return await tenants.get_tenant(self.tenant_id, for_update=for_update)

    @staticmethod
    async def _store(session: AsyncSession, tenant: TenantConfig, tool_type: str, parts: Mapping[str, Any]) -> None:
        # Statuses and names are the desk's words, and may hold what PostgreSQL does not take.
        tenant.note_trials = storable({**(tenant.note_trials or {}), tool_type: dict(parts)})
        await session.flush()

    async def _audit(
        self, session: AsyncSession, begun: _Begun, tool_type: str, operation: str, told: Mapping[str, Any]
    ) -> None:
        await audit.record(
            session,
            tenant_id=self.tenant_id,
            actor=self.principal.actor,
            operation=operation,
            resource_type=f"connection:{tool_type}",
            resource_id=begun.ticket_id,
            after=dict(told),
            details={"ticket": begun.ticket, "mark": begun.mark},
        )


def newest_trial(tenant: TenantConfig, tool_type: str, now: datetime) -> NoteTrialResponse | None:
    """The trial that a page shows: one that was begun since the last that was read to its end, else that one."""
    begun = stored_parts(tenant, tool_type).get("begun")
    if begun is None:
        return last_trial(tenant, tool_type)
    until = datetime.fromisoformat(begun["until"])
    return NoteTrialResponse(
        tool_type=tool_type,
        state=TrialState.RUNNING if _is_running(begun, now) else TrialState.BROKEN,
        ticket=begun["ticket"],
        key=begun["key"],
        tried_at=until if begun["detail"] else until - LEASE,
        tried_by=begun["by"],
        detail=begun["detail"] or "The process that tried it ended before it had read what the note did.",
    )


def _is_running(begun: Mapping[str, Any] | None, now: datetime) -> bool:
    return begun is not None and datetime.fromisoformat(begun["until"]) > now


def _known(stored: Mapping[str, Any], key: str, ticket_id: str) -> Mapping[str, Any] | None:
    """The trial of this name on this ticket, broken or read to its end."""
    kept = (one for one in (stored.get("begun"), stored.get("done")) if one is not None)
    return next((one for one in kept if (one["key"], one["ticket_id"]) == (key, ticket_id)), None)


async def _open_ticket(desk: TicketingToolPlugin, number: str) -> Ticket:
    name = desk.manifest.name
    try:
        ticket = await desk.get_ticket(await desk.id_of(number), with_notes=False)
    except DeskNotFoundError as error:
        raise _unfit(f"{name} shows no ticket {number} to the account that is connected") from error
    if ticket.is_closed:
        raise _unfit(f"ticket {ticket.display_id} is solved or closed, and a note may open it again; name an open one")
    return ticket


def _unfit(detail: str) -> InvalidInputError:
    return InvalidInputError(f"{detail[:1].upper()}{detail[1:]}.", errors=[FieldProblem("/ticket", detail)])
