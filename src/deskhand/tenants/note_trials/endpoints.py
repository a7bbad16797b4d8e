"""Trials of notes over the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from deskhand.access.guards import Administrator, TenantPath
from deskhand.access.idempotency import IdempotentRoute
from deskhand.appstate import App
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.problem import problem_responses
from deskhand.plugins.errors import DeskError, DeskUnavailableError
from deskhand.tenants.endpoints import TENANT, ToolPath
from deskhand.tenants.note_trials.schemas import NoteTrialRequest, NoteTrialResponse
from deskhand.tenants.note_trials.service import NoteTrials

router = APIRouter(route_class=IdempotentRoute)
PATH = TENANT + "/connections/{tool_type}/note-trial"


async def note_trials(app: App, principal: Administrator, tenant_id: TenantPath) -> NoteTrials:
    """The caller's way to try notes."""
    return NoteTrials(
        db=app.db, secrets=app.secrets, plugins=app.plugins, http=app.http, principal=principal, tenant_id=tenant_id
    )


Trying = Annotated[NoteTrials, Depends(note_trials)]


@router.post(
    PATH,
    operation_id="try_note",
    tags=["tenants"],
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError, DeskError, DeskUnavailableError),
)
async def try_note(trying: Trying, tool_type: ToolPath, wanted: NoteTrialRequest) -> NoteTrialResponse:
    """Write one internal note on a ticket, and read back what the desk made of it.

    A desk that shows the note to the requester, or mails it, is refused: agents write nothing there until one passes.
    """
    return await trying.try_note(tool_type, wanted)


@router.get(
    PATH,
    operation_id="get_note_trial",
    tags=["tenants"],
    responses=problem_responses(NotFoundError, InvalidInputError),
)
async def get_note_trial(trying: Trying, tool_type: ToolPath) -> NoteTrialResponse | None:
    """What was tried last on a connection, and what it found; null where nothing was."""
    return await trying.last(tool_type)
