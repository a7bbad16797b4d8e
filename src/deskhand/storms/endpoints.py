"""Storms over the API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from deskhand.access.guards import TenantSession, Viewer
from deskhand.errors import InvalidInputError, NotFoundError
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses
from deskhand.storms import service
from deskhand.storms.schemas import StormDetail, StormQuery, StormView

router = APIRouter(prefix="/api/v1/storms", tags=["storms"])

StormId = Annotated[UUID, Path(description="The outage.")]

_READ = problem_responses(NotFoundError, InvalidInputError)


@router.get("", operation_id="list_storms", responses=_READ)
async def list_storms(
    _viewer: Viewer, session: TenantSession, query: Annotated[StormQuery, Query()]
) -> Page[StormView]:
    """List outages of which many tickets told, the newest first; each is kept for 90 days after it is over."""
    return await service.list_storms(session, limit=query.limit, cursor=query.cursor)


@router.get("/{storm_id}", operation_id="get_storm", responses=_READ)
async def get_storm(_viewer: Viewer, session: TenantSession, storm_id: StormId) -> StormDetail:
    """Get one outage with its tickets."""
    return await service.get_storm(session, storm_id)
