"""Executions as they change, for clients that would otherwise poll: one server-sent event per change.

The newest executions are read once a second per connection and compared with what was sent before. That is
one indexed query, and the number of connections is capped; a client that is cut off reconnects and gets the
current state, so nothing is lost by it. With each reading the viewer's credential is looked at anew: a stream ends
within seconds when its key is revoked or its tenant deactivated.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.sse import ServerSentEvent

from deskhand.access import authentication
from deskhand.access.guards import Viewer
from deskhand.access.principal import Principal
from deskhand.appstate import AppState, state_of
from deskhand.errors import ForbiddenError
from deskhand.executions import service
from deskhand.executions.schemas import ExecutionFilters, ExecutionSummary
from deskhand.kit.edge import StreamSlots
from deskhand.kit.page import DEFAULT_LIMIT

POLL_SECONDS = 1.0
MAX_POLLS = 600  # then the client reconnects, so a deployment never waits for it
RECONNECT_MS = 2000


async def stream_slot(request: Request, viewer: Viewer) -> StreamSlots:
    """The process's places for streams, once it is known who asks.

    Raises:
        RateLimitedError: None is free for this viewer.
        ForbiddenError: Its tenant is deactivated; a stream would end at once, and the client would come again.
    """
    state = state_of(request, AppState)
    state.streams.check(viewer.tenant_id or "", viewer.actor)
    async with state.db.tenant_session(viewer.tenant_id or "") as session:
        if not await authentication.still_holds(session, viewer, now=state.clock(), rules=state.sign_in_rules):
            raise ForbiddenError("The tenant is deactivated, or your credential has just ended.")
    return state.streams


StreamSlot = Annotated[StreamSlots, Depends(stream_slot)]


async def stream_changes(
    state: AppState, viewer: Principal, filters: ExecutionFilters, slots: StreamSlots
) -> AsyncIterator[ServerSentEvent]:
    """Events ``execution`` with an ``ExecutionSummary``: first of the newest ones as they are, then each change.

    Args:
        state: The process's shared objects.
        viewer: Who watches; sees the executions of its tenant.
        filters: Which ones.
        slots: Where this stream takes its slot.
    """
    with slots.take(viewer.tenant_id or "", viewer.actor):
        # Tells the browser at once how soon to come back, before the first change or the end of the stream.
        yield ServerSentEvent(retry=RECONNECT_MS)
        seen: dict[UUID, str] = {}
        for _ in range(MAX_POLLS):
            async with state.db.tenant_session(viewer.tenant_id or "") as session:
                if not await authentication.still_holds(session, viewer, now=state.clock(), rules=state.sign_in_rules):
                    return
                page = await service.list_executions(session, filters, limit=DEFAULT_LIMIT)
            # Oldest first, so that a client that puts each event on top ends with the newest there.
            for summary in reversed(page.items):
                mark = fingerprint(summary)
                if seen.get(summary.id) != mark:
                    yield ServerSentEvent(event="execution", data=summary)
                    seen[summary.id] = mark
            await asyncio.sleep(POLL_SECONDS)


def fingerprint(summary: ExecutionSummary) -> str:
    """Everything about an execution that changes by itself, except the clock."""
    return summary.model_dump_json(exclude={"duration_ms"})
