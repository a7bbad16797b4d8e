"""A trial of one note, from the page of the desk."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from deskhand.access.forms import SafeForm
from deskhand.errors import DeskhandError
from deskhand.intake.console.desks import OneDesk, show_desk
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import StorableText
from deskhand.tenants.note_trials.schemas import NoteTrialRequest
from deskhand.tenants.note_trials.service import NoteTrials
from deskhand.ui.routing import PageRoute

router = APIRouter(
    prefix="/tenants/{tenant_id}/desks",
    route_class=PageRoute,
    include_in_schema=False,
    default_response_class=HTMLResponse,
)


@router.post("/{tool_type}/note-trial")
async def try_note(
    desk: OneDesk,
    *,
    ticket: Annotated[StorableText, Form(max_length=200)] = "",
    key: Annotated[StorableText, Form(max_length=200)] = "",
    _safe: SafeForm,
) -> Response:
    app = desk.app
    trials = NoteTrials(
        db=app.db,
        secrets=app.secrets,
        plugins=app.plugins,
        http=app.http,
        principal=desk.viewer,
        tenant_id=desk.tenant_id,
    )
    try:
        await trials.try_note(desk.tool_type, NoteTrialRequest(ticket=ticket, key=key or None))
    except ValidationError as error:
        return await show_desk(desk, untried=invalid_input(error), ticket=ticket)
    except DeskhandError as error:
        return await show_desk(desk, untried=error, ticket=ticket)
    # Read anew: who reloads the page tries nothing again.
    return RedirectResponse(f"{desk.address}#note-trial", status_code=303)
