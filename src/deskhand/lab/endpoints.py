"""The replay lab over the API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response, status

from deskhand.access.guards import Operator, TenantSession, Viewer
from deskhand.access.idempotency import IdempotentRoute
from deskhand.appstate import App
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.page import DEFAULT_LIMIT, Page, PageCursor, PageLimit
from deskhand.kit.problem import problem_responses
from deskhand.lab.schemas import CaseView, LabRequest, LabRunView, NewTestCase, TestCaseView
from deskhand.lab.service import Lab

router = APIRouter(prefix="/api/v1", tags=["lab"], route_class=IdempotentRoute)

AgentId = Annotated[UUID, Path(description="The agent.")]
LabRunId = Annotated[UUID, Path(description="The run of the lab.")]
TestCaseId = Annotated[UUID, Path(description="The test case.")]
_READS = problem_responses(NotFoundError)
_CHANGES = problem_responses(NotFoundError, ConflictError, InvalidInputError)


async def lab_of_viewer(app: App, session: TenantSession, viewer: Viewer) -> Lab:
    """The lab, for whoever may look."""
    return Lab(session=session, secrets=app.secrets, plugins=app.plugins, principal=viewer)


async def lab_of_operator(app: App, session: TenantSession, operator: Operator) -> Lab:
    """The lab, for whoever may try agents."""
    return Lab(session=session, secrets=app.secrets, plugins=app.plugins, principal=operator)


Looking = Annotated[Lab, Depends(lab_of_viewer)]
Trying = Annotated[Lab, Depends(lab_of_operator)]


@router.post(
    "/agents/{agent_id}/lab-runs",
    operation_id="start_lab_run",
    status_code=status.HTTP_202_ACCEPTED,
    responses=_CHANGES,
)
async def start_lab_run(lab: Trying, agent_id: AgentId, wanted: LabRequest, response: Response) -> LabRunView:
    """Try a version of an agent on closed tickets, rebuilt as they looked when they came: dry runs, a few at a time."""
    run = await lab.start(agent_id, wanted)
    response.headers["Location"] = f"{router.prefix}/lab-runs/{run.id}"
    return run


@router.get("/agents/{agent_id}/lab-runs", operation_id="list_lab_runs", responses=_READS)
async def list_lab_runs(
    lab: Looking, agent_id: AgentId, limit: PageLimit = DEFAULT_LIMIT, cursor: PageCursor = None
) -> Page[LabRunView]:
    """List an agent's runs of the lab, newest first."""
    return await lab.runs(agent_id, limit=limit, cursor=cursor)


@router.get("/lab-runs/{lab_run_id}", operation_id="get_lab_run", responses=_READS)
async def get_lab_run(lab: Looking, lab_run_id: LabRunId) -> LabRunView:
    """Get one run of the lab: how often the agent said what people did, what it cost and how long it took."""
    return await lab.get(lab_run_id)


@router.get("/lab-runs/{lab_run_id}/cases", operation_id="list_lab_cases", responses=_READS)
async def list_lab_cases(
    lab: Looking, lab_run_id: LabRunId, limit: PageLimit = DEFAULT_LIMIT, cursor: PageCursor = None
) -> Page[CaseView]:
    """List the tickets of a run of the lab, those where the agent was wrong first."""
    return await lab.cases(lab_run_id, limit=limit, cursor=cursor)


@router.post(
    "/lab-runs/{lab_run_id}/cancel",
    operation_id="cancel_lab_run",
    responses=problem_responses(NotFoundError, ConflictError),
)
async def cancel_lab_run(lab: Trying, lab_run_id: LabRunId) -> LabRunView:
    """Cancel a run of the lab; what it compared so far stays."""
    return await lab.cancel(lab_run_id)


@router.get("/agents/{agent_id}/test-cases", operation_id="list_test_cases", responses=_READS)
async def list_test_cases(lab: Looking, agent_id: AgentId) -> list[TestCaseView]:
    """List an agent's test cases, newest first."""
    return await lab.test_cases(agent_id)


@router.post(
    "/agents/{agent_id}/test-cases",
    operation_id="create_test_case",
    status_code=status.HTTP_201_CREATED,
    responses=_CHANGES,
)
async def create_test_case(lab: Trying, agent_id: AgentId, wanted: NewTestCase) -> TestCaseView:
    """Keep a ticket as a run of the agent read it, with what is expected; each run of the lab runs it again."""
    return await lab.keep(agent_id, wanted)


@router.delete(
    "/test-cases/{test_case_id}",
    operation_id="delete_test_case",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=_READS,
)
async def delete_test_case(lab: Trying, test_case_id: TestCaseId) -> Response:
    """Remove a test case and the ticket that it keeps."""
    await lab.remove(test_case_id)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
