"""The catalogue over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import App
from deskhand.errors import InvalidInputError
from deskhand.kit.problem import problem_responses
from deskhand.tenants.endpoints import Plugins
from deskhand.tools.offered import offered_tools
from deskhand.tools.schemas import OperationView, ToolView
from deskhand.tools.values import Provider, ToolOperation

router = APIRouter(prefix="/api/v1/tools", tags=["tools"])


@router.get("", operation_id="list_tools", responses=problem_responses(InvalidInputError))
async def list_tools(caller: Viewer, session: TenantSession, app: App, plugins: Plugins) -> list[ToolView]:
    """Everything an agent of the caller's tenant may be granted, with the schemas of arguments and results."""
    assert caller.tenant_id is not None  # the session dependency refused it before
    offered = await offered_tools(session, caller.tenant_id, secrets=app.secrets, plugins=plugins)
    return [_view(one.provider, connected=one.is_connected) for one in offered]


def _view(provider: Provider, *, connected: bool) -> ToolView:
    return ToolView(
        tool_id=provider.tool_id,
        name=provider.name,
        kind=provider.kind,
        connected=connected,
        operations=[_operation(one) for one in provider.operations],
    )


def _operation(operation: ToolOperation) -> OperationView:
    return OperationView(
        name=operation.name,
        description=operation.description,
        access=operation.access.value,
        doubt=operation.doubt,
        scopes=list(operation.scopes),
        cost=operation.cost,
        risk=operation.risk,
        for_model=operation.for_model,
        arguments=dict(operation.arguments),
        result=dict(operation.result),
    )
