"""Tickets over the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from deskhand.access.guards import TenantSession, Viewer
from deskhand.access.limits import open_to_limited
from deskhand.errors import InvalidInputError, NotFoundError
from deskhand.executions.tickets import service
from deskhand.executions.tickets.schemas import OneTicketQuery, TicketDetail, TicketQuery, TicketSummary
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses
from deskhand.kit.schema import StorableText
from deskhand.tenants.endpoints import ToolPath

router = APIRouter(prefix="/api/v1/tickets", tags=["tickets"])

TicketRef = Annotated[
    StorableText, Path(min_length=1, max_length=100, description="The ticket's id at its desk, or its number.")
]
_READ = problem_responses(NotFoundError, InvalidInputError)


@router.get("", operation_id="list_tickets", responses=_READ)
@open_to_limited
async def list_tickets(
    _viewer: Viewer, session: TenantSession, query: Annotated[TicketQuery, Query()]
) -> Page[TicketSummary]:
    """List tickets that runs were started for, those with the newest runs first."""
    return await service.list_tickets(session, query, limit=query.limit, cursor=query.cursor)


# The convertor lets an id have slashes: desks from outside call their tickets what they like.
@router.get("/{tool_type}/{ticket_ref:path}", operation_id="get_ticket", responses=_READ)
@open_to_limited
async def get_ticket(
    _viewer: Viewer,
    session: TenantSession,
    tool_type: ToolPath,
    ticket_ref: TicketRef,
    query: Annotated[OneTicketQuery, Query()],
) -> TicketDetail:
    """Get everything that was done to one ticket."""
    return await service.get_ticket(session, tool_type, ticket_ref, cursor=query.cursor)
