"""The form on the pages of executions and tickets that says what a note was worth."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from deskhand.access.forms import SafeForm, local_path
from deskhand.access.guards import Operator, TenantSession
from deskhand.kit.schema import StorableText
from deskhand.knowledge.verdicts import service
from deskhand.knowledge.verdicts.schemas import MOST_CHARACTERS, VerdictGiven
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

MOST_ADDRESS = 2_000
Thumb = Literal["thumbs_up", "thumbs_down"]


@router.post("/executions/{execution_id}/feedback")
async def give(
    operator: Operator,
    session: TenantSession,
    *,
    execution_id: UUID,
    verdict: Annotated[Thumb, Form()],
    comment: Annotated[StorableText, Form(max_length=MOST_CHARACTERS)] = "",
    back: Annotated[StorableText, Form(max_length=MOST_ADDRESS)] = "",
    _safe: SafeForm,
) -> Response:
    given = VerdictGiven(feedback_type=verdict, feedback_comment=comment)
    await service.give(session, execution_id, given, voice=service.voice_of(operator), actor=operator.actor)
    return RedirectResponse(local_path(back) if back else f"/executions/{execution_id}", status_code=303)
