"""Versions of an agent in the console: who made which, what two of them differ in, and the way back."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from deskhand.access.forms import SafeForm
from deskhand.agents.console import words
from deskhand.agents.console.view import AtPage, EditorAt, Looking, Revision, Told
from deskhand.agents.endpoints import VersionNumber
from deskhand.agents.versions import VersionDiff
from deskhand.errors import ConflictError, InvalidInputError, PreconditionFailedError
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE_SIZE = 50
Number = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


@router.get("/{agent_id}/versions")
async def versions_page(
    at: AtPage,
    agent_id: UUID,
    *,
    before: Number = None,
    after: Number = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    return await _page(at, agent_id, before=before, after=after, cursor=cursor)


@router.post("/{agent_id}/versions/{number}/rollback")
async def roll_back(
    at: EditorAt, agent_id: UUID, number: VersionNumber, *, revision: Revision, _safe: SafeForm
) -> Response:
    try:
        async with at.session() as session:
            _, made = await at.agents(session).roll_back(agent_id, number, if_match=f'"{revision}"')
    except (ConflictError, PreconditionFailedError, InvalidInputError) as error:
        return await _page(at, agent_id, before=number, told=Told(error=error))
    if made:
        return await at.show(agent_id, Told(done="rollback", secrets=made))
    return RedirectResponse(f"/agents/{agent_id}?done=rollback", status_code=303)


async def _page(
    at: Looking,
    agent_id: UUID,
    *,
    before: int | None,
    after: int | None = None,
    cursor: str | None = None,
    told: Told | None = None,
) -> Response:
    async with at.session() as session:
        agents = at.agents(session)
        agent = await agents.get_agent(agent_id)
        page = await agents.list_versions(agent_id, limit=PAGE_SIZE, cursor=cursor or None)
        diff: VersionDiff | None = None
        if before is not None:
            diff = await agents.compare_versions(agent_id, before, after or agent.current_version)
    # Each is compared with the row below it; what the oldest one of a page changed stands on the next.
    older = [*page.items[1:], None]
    rows = [
        (one, words.changed_parts(other, one) if other or one.version_number == 1 else [])
        for one, other in zip(page.items, older, strict=True)
    ]
    return at.render(
        "versions.html",
        told,
        agent=agent,
        rows=rows,
        next_cursor=page.next_cursor,
        diff=diff,
        changes=words.changes_in_words(diff) if diff else [],
        lines=words.prompt_lines(diff.prompt_diff) if diff else [],
    )
