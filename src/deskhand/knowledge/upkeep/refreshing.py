"""Single tickets of the history: one that was solved comes in, one that was reopened or deleted goes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog

from deskhand.errors import DeskhandError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.away import DATABASE_ERRORS, is_passing
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.knowledge import importer
from deskhand.knowledge.batches import Import
from deskhand.knowledge.boundaries import boundaries_of, may_keep
from deskhand.knowledge.embedding import Embedder
from deskhand.knowledge.upkeep import repository
from deskhand.knowledge.upkeep.models import HistoryRefresh
from deskhand.plugins.contract import PastChange, Ticket, TicketingToolPlugin, TicketPage
from deskhand.plugins.errors import DeskNotFoundError, DeskPermissionError, DeskUnsupportedError
from deskhand.plugins.history import first_touch, was_reopened
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import desk_for
from deskhand.tenants.models import TenantConfig

AT_ONCE = 20
PAGES = 20
"""Of one ticket's history, at most."""
FIRST_WAIT, LONGEST_WAIT = 5.0, 6 * 3600.0

log = structlog.get_logger(__name__)


async def refresh_tenant(
    db: Database,
    tenant_id: str,
    *,
    secrets: SecretBox,
    plugins: PluginManager,
    http: HttpClientFactory,
    embedder: Embedder,
) -> None:
    """Look at the tickets of a tenant that were reported, a few at a time."""
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        tenant = await repository.tenant_of(session)
        due = await repository.take_refreshes(session, AT_ONCE)
    desks = _Desks(tenant, secrets=secrets, plugins=plugins, http=http)
    async with desks.stack:
        for looked in due:
            # Gathered, so that a ticket which nobody can read, for whatever reason, costs the others nothing.
            (error,) = await asyncio.gather(
                _look(db, tenant_id, desks, looked, embedder=embedder), return_exceptions=True
            )
            if isinstance(error, Exception) and not (isinstance(error, DATABASE_ERRORS) and is_passing(error)):
                await _put_off(db, tenant_id, looked, error)
            elif error is not None:
                raise error


async def _look(db: Database, tenant_id: str, desks: _Desks, looked: HistoryRefresh, *, embedder: Embedder) -> None:
    await refresh_ticket(db, tenant_id, desks.of(looked.tool_type), looked.ticket_id, embedder=embedder)
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        await repository.end_refresh(session, looked)


async def refresh_ticket(
    db: Database, tenant_id: str, desk: TicketingToolPlugin, ticket_id: str, *, embedder: Embedder
) -> None:
    """Make the history agree with one ticket as its desk has it now.

    Args:
        db: As ``deskhand_app``.
        tenant_id: Whose history; the desk must be this tenant's.
        desk: An open connection.
        ticket_id: The desk's stable id. What an event says of the ticket is a hint: it is read again here.
        embedder: Makes the vector.

    Raises:
        DeskError: The desk does not say how the ticket is.
    """
    try:
        ticket = await desk.get_ticket(ticket_id)
    except DeskNotFoundError:
        ticket = None
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        if ticket is None or not ticket.is_closed or not await may_keep(await boundaries_of(session), desk, ticket):
            await repository.drop_ticket(session, desk.manifest.tool_type, ticket_id)
            return
    importing = Import(db, tenant_id, importer.DESK_TICKETS, on_error="continue", embedder=embedder)
    report = await importing.run(importer.rows_of(TicketPage(tickets=(ticket,))))
    await _tell_how_it_went(db, tenant_id, desk, ticket)
    for problem in report.problems:
        log.warning("ticket_not_kept", tenant_id=tenant_id, reason=str(problem))


async def _tell_how_it_went(db: Database, tenant_id: str, desk: TicketingToolPlugin, ticket: Ticket) -> None:
    """Read what the monthly report asks of a ticket that an agent was called to; of others nobody asks it.

    Raises:
        DeskError: The desk does not show the ticket's history.
    """
    tool_type = desk.manifest.tool_type
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        if not await repository.had_runs(session, tool_type, ticket.id):
            return
    try:
        reopened = was_reopened(ticket, await _changes(desk, ticket.id))
    except (DeskNotFoundError, DeskPermissionError, DeskUnsupportedError):
        # It may show a ticket, and not its history; asking again would not help.
        reopened = None
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        await repository.tell_how_it_went(
            session, tool_type, ticket.id, touched_at=first_touch(ticket), reopened=reopened
        )


async def _changes(desk: TicketingToolPlugin, ticket_id: str) -> list[PastChange]:
    """A ticket's history; of one without an end nothing, for what was not read may be what is asked for."""
    found: list[PastChange] = []
    cursor: str | None = None
    for _ in range(PAGES):
        page = await desk.ticket_changes(ticket_id, cursor=cursor)
        found += page.changes
        cursor = page.next_cursor
        if cursor is None:
            return found
    return []


class _Desks:
    """The tenant's desks, each opened when the first ticket needs it."""

    def __init__(
        self, tenant: TenantConfig | None, *, secrets: SecretBox, plugins: PluginManager, http: HttpClientFactory
    ) -> None:
        self._tenant = tenant
        self._secrets = secrets
        self._plugins = plugins
        self._http = http
        self._open: dict[str, TicketingToolPlugin] = {}
        self.stack = AsyncExitStack()

    def of(self, tool_type: str) -> TicketingToolPlugin:
        assert self._tenant is not None  # the tickets are its own
        if tool_type not in self._open:
            desk = desk_for(self._tenant, tool_type, secrets=self._secrets, plugins=self._plugins, http=self._http)
            self.stack.push_async_callback(desk.aclose)
            self._open[tool_type] = desk
        return self._open[tool_type]


async def _put_off(db: Database, tenant_id: str, looked: HistoryRefresh, error: Exception) -> None:
    asked = error.retry_after if isinstance(error, DeskhandError) else None
    wait = asked if asked is not None else FIRST_WAIT * 2.0 ** min(looked.tries, 12)
    words = error.detail if isinstance(error, DeskhandError) else f"Something unexpected ({type(error).__name__})."
    log.warning("ticket_not_looked_at", tenant_id=tenant_id, tool_type=looked.tool_type, reason=words)
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        await repository.put_off(session, looked, timedelta(seconds=min(wait, LONGEST_WAIT)), words)
