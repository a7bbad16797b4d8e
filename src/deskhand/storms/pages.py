"""Outages in the console: which ones tickets told of, and one with its tickets."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field, field_validator

from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import App
from deskhand.kit.schema import StorableText
from deskhand.storms import service
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE_SIZE = 50


class ListForm(BaseModel):
    """The address of the list."""

    cursor: StorableText | None = Field(None, max_length=500)

    @field_validator("cursor", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    def address(self, *, cursor: str | None = None) -> str:
        """Another page of it; the first, if none is said."""
        return f"/storms?cursor={quote(cursor)}" if cursor else "/storms"


def ticket_address(tool_type: str, ref: str) -> str:
    """Where a ticket's page is."""
    return f"/tickets/{quote(tool_type, safe='')}/{quote(ref, safe='')}"


@router.get("/storms")
async def list_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, form: Annotated[ListForm, Query()]
) -> Response:
    return render(
        request,
        "storms/list.html",
        viewer=viewer,
        page=await service.list_storms(session, limit=PAGE_SIZE, cursor=form.cursor),
        form=form,
        is_on=await service.is_on(session),
        desks=app.plugins.names,
        address=ticket_address,
        now=app.clock(),
    )


@router.get("/storms/{storm_id}")
async def storm_page(request: Request, app: App, viewer: Viewer, session: TenantSession, storm_id: UUID) -> Response:
    return render(
        request,
        "storms/storm.html",
        viewer=viewer,
        storm=await service.get_storm(session, storm_id),
        desks=app.plugins.names,
        address=ticket_address,
        now=app.clock(),
    )
