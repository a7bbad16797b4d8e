"""The second look at an event: by the run that it started, when the write that was under way then has an end.

A desk may report our write although its worker died before the answer came. The event is then accepted, since it could
be a person's, and its run waits in the ticket's lane until that write was settled. Now the journal knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from deskhand.errors import BadRequestError
from deskhand.intake import repository
from deskhand.intake.echo import could_be_known, is_echo
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import Ignored, TicketEvent, TicketingToolPlugin, WebhookRequest

WRITES = 50


async def is_of_own_write(
    db: Database,
    pool: asyncpg.Pool[asyncpg.Record],
    payload: Mapping[str, Any],
    *,
    tenant_id: str,
    execution_id: UUID,
    plugin: type[TicketingToolPlugin],
    is_own: Callable[[TicketEvent], bool | None],
) -> bool:
    """Whether nothing but a write of our own, which has been settled since, started a run.

    Args:
        db: Sessions.
        pool: Connections that may ask what we wrote.
        payload: The newest event that the run was given.
        tenant_id: Its tenant.
        execution_id: The run.
        plugin: The desk that sent the event.
        is_own: Whether our account caused an event.
    """
    event = read_event(plugin, payload)
    if event is None or is_own(event) is False or not could_be_known(event):
        return False
    writes = await repository.writes_on_ticket(
        pool, tenant_id, event.ticket.tool_type, event.ticket.ticket_id, limit=WRITES
    )
    if not writes:
        return False
    async with db.tenant_session(tenant_id) as session:
        deliveries, since = await repository.deliveries_of_run(session, execution_id)
    # Of several events that one run took up only the newest is kept; the others may have been a person's.
    if deliveries != 1:
        return False
    # As it was when the event came: what was written later did not cause it.
    then = [replace(write, age=write.age - since) for write in writes if write.age >= since]
    return is_echo(event, by_us=is_own(event), writes=then) is True


async def has_news(db: Database, tenant_id: str, ticket: tuple[str, str], *, within: timedelta, besides: UUID) -> bool:
    """Whether a desk has told of a ticket lately.

    Args:
        db: Sessions.
        tenant_id: Whose desk it is.
        ticket: Desk and id.
        within: How long ago the oldest event is that counts.
        besides: The run whose own events are no news.
    """
    tool_type, ticket_id = ticket
    async with db.tenant_session(tenant_id) as session:
        return await repository.was_told_of(
            session, tool_type=tool_type, ticket_id=ticket_id, within=within, besides=besides
        )


def read_event(plugin: type[TicketingToolPlugin], payload: Mapping[str, Any]) -> TicketEvent | None:
    """The event that a run was started with; None where it was none that the desk sends."""
    try:
        event = plugin.extract_metadata(WebhookRequest(headers={}, body=json.dumps(payload).encode()))
    # A run by hand may have been given anything.
    except BadRequestError:
        return None
    return None if isinstance(event, Ignored) else event
