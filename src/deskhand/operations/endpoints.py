"""Operations over the API: how the queue stands, and pauses.

Whoever runs the installation asks for all tenants with a platform key; a tenant's operators ask for their tenant.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response, status

from deskhand.access.guards import Caretaker, CaretakerSession
from deskhand.access.idempotency import IdempotentRoute
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.problem import problem_responses
from deskhand.operations.schemas import Operations
from deskhand.operations.service import how_it_stands
from deskhand.pauses import service as pauses
from deskhand.pauses.schemas import NewPause, PauseView

router = APIRouter(prefix="/api/v1", tags=["operations"], route_class=IdempotentRoute)

PauseId = Annotated[UUID, Path(description="The pause.")]


@router.get("/operations", operation_id="get_operations", responses=problem_responses(InvalidInputError))
async def get_operations(caller: Caretaker, session: CaretakerSession) -> Operations:
    """How it stands now: what waits and why, workers, pauses, and what fails; a platform key sees all tenants."""
    return await how_it_stands(session, tenant_id=caller.tenant_id)


@router.get("/pauses", operation_id="list_pauses", responses=problem_responses(InvalidInputError))
async def list_pauses(caller: Caretaker, session: CaretakerSession) -> list[PauseView]:
    """List the pauses that last: of everything, of tenants, and of the tenant's agents."""
    return await pauses.list_pauses(session, tenant_id=caller.tenant_id)


@router.post(
    "/pauses",
    operation_id="begin_pause",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def begin_pause(caller: Caretaker, session: CaretakerSession, wanted: NewPause) -> PauseView:
    """Start no more runs of an agent, a tenant or everything. What comes in is accepted, kept, and runs afterwards."""
    return await pauses.begin_pause(session, wanted, tenant_id=caller.tenant_id, actor=caller.actor)


@router.delete(
    "/pauses/{pause_id}",
    operation_id="end_pause",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=problem_responses(NotFoundError, InvalidInputError),
)
async def end_pause(caller: Caretaker, session: CaretakerSession, pause_id: PauseId) -> Response:
    """End a pause; what waited is handed over within a second, the oldest first."""
    await pauses.end_pause(session, pause_id, tenant_id=caller.tenant_id, actor=caller.actor)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
