"""Verdicts on notes over the API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from deskhand.access.guards import Operator, TenantSession, Viewer
from deskhand.errors import InvalidInputError, NotFoundError
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses
from deskhand.knowledge.verdicts import service
from deskhand.knowledge.verdicts.schemas import NoteVerdicts, VerdictGiven, VerdictQuery, VerdictView

router = APIRouter(prefix="/api/v1", tags=["feedback"])

ExecutionId = Annotated[UUID, Path(description="The execution that wrote the note.")]
_READ = problem_responses(NotFoundError, InvalidInputError)


@router.get("/feedback", operation_id="list_feedback", responses=_READ)
async def list_feedback(
    _viewer: Viewer, session: TenantSession, query: Annotated[VerdictQuery, Query()]
) -> Page[VerdictView]:
    """List verdicts on notes, newest first."""
    page = await service.list_verdicts(session, query)
    return Page(items=[VerdictView.model_validate(one) for one in page.items], next_cursor=page.next_cursor)


@router.get("/executions/{execution_id}/feedback", operation_id="get_feedback", responses=_READ)
async def get_feedback(_viewer: Viewer, session: TenantSession, execution_id: ExecutionId) -> NoteVerdicts:
    """Get every verdict on the note that an execution wrote."""
    verdicts = await service.of_note(session, execution_id)
    return NoteVerdicts(items=[VerdictView.model_validate(one) for one in verdicts])


@router.post("/executions/{execution_id}/feedback", operation_id="give_feedback", responses=_READ)
async def give_feedback(
    operator: Operator, session: TenantSession, execution_id: ExecutionId, verdict: VerdictGiven
) -> VerdictView:
    """Say what the note of an execution was worth; what the caller said of it before is replaced."""
    voice = service.voice_of(operator)
    given = await service.give(session, execution_id, verdict, voice=voice, actor=operator.actor)
    return VerdictView.model_validate(given)
