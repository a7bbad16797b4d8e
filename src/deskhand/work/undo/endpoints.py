"""Undoing over the API: what a run, one write of it, or a version since a time wrote; a preview first."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response, status
from pydantic import Field

from deskhand.access.guards import Operator
from deskhand.appstate import App
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.problem import problem_responses
from deskhand.kit.schema import WholeNumber
from deskhand.plugins.errors import DeskError, DeskUnavailableError, DeskValidationError
from deskhand.work.undo.schemas import PreviewRun, PreviewVersion, UndoPreview, UndoRun, UndoStarted, UndoVersion
from deskhand.work.undo.service import OfRun, OfVersion, Undoing

router = APIRouter(prefix="/api/v1", tags=["undo"])

ExecutionId = Annotated[UUID, Path(description="The execution whose writes are meant.")]
AgentId = Annotated[UUID, Path(description="The agent.")]
VersionNumber = Annotated[int, Field(ge=1, le=2**31 - 1), WholeNumber, Path(description="Number of the version.")]

_RUN, _VERSION = "/executions/{execution_id}/undo", "/agents/{agent_id}/versions/{number}/undo"
_RESPONSES = problem_responses(
    NotFoundError, ConflictError, InvalidInputError, DeskError, DeskUnavailableError, DeskValidationError
)


async def undoing(app: App, operator: Operator) -> Undoing:
    """The caller's way to undo; it opens sessions of its own, since a desk is asked between two of them."""
    return Undoing(db=app.db, secrets=app.secrets, plugins=app.plugins, http=app.http, principal=operator)


Undo = Annotated[Undoing, Depends(undoing)]


@router.post(f"{_RUN}/preview", operation_id="preview_undo_of_execution", responses=_RESPONSES)
async def preview_run(undo: Undo, execution_id: ExecutionId, wanted: PreviewRun) -> UndoPreview:
    """Preview taking back what an ended execution wrote, or one write of it; nothing is changed."""
    return await undo.preview(OfRun(execution_id=execution_id, step_key=wanted.step_key))


@router.post(_RUN, operation_id="undo_execution", status_code=status.HTTP_202_ACCEPTED, responses=_RESPONSES)
async def undo_run(undo: Undo, execution_id: ExecutionId, wanted: UndoRun, *, response: Response) -> UndoStarted:
    """Take back what an execution wrote, exactly as it was previewed; fields that somebody changed since stay."""
    started = await undo.start(OfRun(execution_id=execution_id, step_key=wanted.step_key), wanted.digest)
    return _started(response, started)


@router.post(f"{_VERSION}/preview", operation_id="preview_undo_of_version", responses=_RESPONSES)
async def preview_version(undo: Undo, agent_id: AgentId, number: VersionNumber, wanted: PreviewVersion) -> UndoPreview:
    """Preview taking back everything that a version of an agent wrote since a time; nothing is changed."""
    return await undo.preview(OfVersion(agent_id=agent_id, number=number, since=wanted.since))


@router.post(_VERSION, operation_id="undo_version", status_code=status.HTTP_202_ACCEPTED, responses=_RESPONSES)
async def undo_version(
    undo: Undo, agent_id: AgentId, number: VersionNumber, wanted: UndoVersion, *, response: Response
) -> UndoStarted:
    """Take back everything that a version of an agent wrote since a time, exactly as it was previewed."""
    started = await undo.start(OfVersion(agent_id=agent_id, number=number, since=wanted.since), wanted.digest)
    return _started(response, started)


def _started(response: Response, execution_id: UUID) -> UndoStarted:
    response.headers["Location"] = f"{router.prefix}/executions/{execution_id}"
    return UndoStarted(execution_id=execution_id)
