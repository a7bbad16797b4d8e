"""Trying an agent over the API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response, status

from deskhand.access.guards import Operator, TenantSession
from deskhand.access.idempotency import IdempotentRoute
from deskhand.appstate import App
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from deskhand.executions.schemas import ExecutionSummary
from deskhand.executions.trials.schemas import TryRequest
from deskhand.executions.trials.service import Trials
from deskhand.kit.problem import problem_responses
from deskhand.plugins.errors import DeskError, DeskUnavailableError

router = APIRouter(prefix="/api/v1", tags=["executions"], route_class=IdempotentRoute)

AgentId = Annotated[UUID, Path(description="The agent.")]


async def trials(app: App, operator: Operator) -> Trials:
    """The caller's way to try agents."""
    return Trials(db=app.db, secrets=app.secrets, plugins=app.plugins, http=app.http, principal=operator)


Trying = Annotated[Trials, Depends(trials)]


@router.post(
    "/agents/{agent_id}/try",
    operation_id="try_agent",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problem_responses(
        NotFoundError, ConflictError, InvalidInputError, DeskError, DeskUnavailableError, UnavailableError
    ),
)
async def try_agent(
    trying: Trying, session: TenantSession, agent_id: AgentId, wanted: TryRequest, *, response: Response
) -> ExecutionSummary:
    """Try any version of an agent, a draft too, on a ticket or an event: a dry run, of which nothing reaches a desk."""
    # In the request's own transaction although a desk is asked in it: an answer that can be had again by its
    # Idempotency-Key is kept with the run it tells of.
    summary = await trying.start(agent_id, wanted, within=session)
    response.headers["Location"] = f"{router.prefix}/executions/{summary.id}"
    return summary
