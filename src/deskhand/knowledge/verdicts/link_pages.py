"""The page of the link in a note. Opening it counts for nothing: scanners and previews open addresses, too."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from deskhand.appstate import App
from deskhand.kit.schema import StorableText
from deskhand.knowledge.verdicts import service
from deskhand.knowledge.verdicts.links import MOST_CHARACTERS, VerdictLinks
from deskhand.knowledge.verdicts.pages import Thumb
from deskhand.knowledge.verdicts.schemas import MOST_CHARACTERS as LONGEST_COMMENT
from deskhand.knowledge.verdicts.schemas import VerdictGiven
from deskhand.ui.csrf import refuse_cross_site
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

VOICE = "link:feedback"


@router.get("/feedback/link")
async def link_page(
    request: Request, app: App, token: Annotated[StorableText, Query(max_length=MOST_CHARACTERS)] = ""
) -> Response:
    linked = VerdictLinks(app.secrets, app.public_url).read(token, now=app.clock())
    async with app.db.tenant_session(linked.tenant_id) as session:
        note = await service.get_note(session, linked.execution_id)
    return render(request, "knowledge/verdicts/link.html", ticket=note.ticket_id, token=token, given=None)


async def _from_our_page(request: Request, app: App) -> None:
    refuse_cross_site(request, app.public_url)


# As a dependency: a foreign page is refused before it learns what a form has.
@router.post("/feedback/link", dependencies=[Depends(_from_our_page)])
async def give(
    request: Request,
    app: App,
    *,
    verdict: Annotated[Thumb, Form()],
    token: Annotated[StorableText, Form(max_length=MOST_CHARACTERS)] = "",
    comment: Annotated[StorableText, Form(max_length=LONGEST_COMMENT)] = "",
) -> Response:
    linked = VerdictLinks(app.secrets, app.public_url).read(token, now=app.clock())
    given = VerdictGiven(feedback_type=verdict, feedback_comment=comment)
    async with app.db.tenant_session(linked.tenant_id) as session:
        row = await service.give(session, linked.execution_id, given, voice=None, actor=VOICE)
    return render(request, "knowledge/verdicts/link.html", ticket=row.ticket_id, token=token, given=row.feedback_type)
