"""Connections to models over the API: a tenant's administrators keep its own, the platform's keep the shared."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response, status

from deskhand.access.guards import Steward, StewardSession
from deskhand.access.idempotency import IdempotentRoute
from deskhand.access.principal import Principal
from deskhand.appstate import App, AppState
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.gateways import service
from deskhand.gateways.probe import probe
from deskhand.gateways.reach import way_of
from deskhand.gateways.schemas import (
    SLUG,
    ConnectionChange,
    ConnectionReport,
    ConnectionTrial,
    ConnectionView,
    NewConnection,
)
from deskhand.kit.problem import problem_responses

router = APIRouter(prefix="/api/v1/model-connections", tags=["models"], route_class=IdempotentRoute)

ConnectionSlug = Annotated[str, Path(pattern=SLUG, description="The connection.", examples=["house"])]
_KNOWN = problem_responses(NotFoundError, InvalidInputError)


@router.get("", operation_id="list_model_connections", responses=problem_responses(InvalidInputError))
async def list_connections(caller: Steward, session: StewardSession) -> list[ConnectionView]:
    """List the connections to models: a tenant's own and those of the platform that it may use."""
    return await service.list_connections(session, caller.tenant_id)


@router.post(
    "",
    operation_id="create_model_connection",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(ConflictError, InvalidInputError),
)
async def create_connection(caller: Steward, session: StewardSession, app: App, data: NewConnection) -> ConnectionView:
    """Connect models: a tenant's key makes its own connection, a platform key one that tenants share."""
    return await service.add_connection(
        session,
        data,
        tenant_id=caller.tenant_id,
        secrets=app.secrets,
        may_be_plain=app.http.allow_private,
        actor=caller.actor,
    )


@router.get("/{connection}", operation_id="get_model_connection", responses=_KNOWN)
async def get_connection(caller: Steward, session: StewardSession, connection: ConnectionSlug) -> ConnectionView:
    """Get one connection that the caller may change."""
    return service.view(await service.get_connection(session, connection, caller.tenant_id), caller.tenant_id)


@router.patch("/{connection}", operation_id="change_model_connection", responses=_KNOWN)
async def change_connection(
    caller: Steward, session: StewardSession, app: App, connection: ConnectionSlug, data: ConnectionChange
) -> ConnectionView:
    """Change a connection. A stored key never goes to another host: a new address there needs a new key."""
    return await service.change_connection(
        session,
        connection,
        data,
        tenant_id=caller.tenant_id,
        secrets=app.secrets,
        may_be_plain=app.http.allow_private,
        actor=caller.actor,
    )


@router.delete(
    "/{connection}",
    operation_id="delete_model_connection",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=_KNOWN,
)
async def delete_connection(caller: Steward, session: StewardSession, connection: ConnectionSlug) -> Response:
    """Remove a connection and its key; runs of agents that name it go on without a model."""
    await service.remove_connection(session, connection, tenant_id=caller.tenant_id, actor=caller.actor)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


async def report_of(app: AppState, caller: Principal, slug: str, trial: ConnectionTrial) -> ConnectionReport:
    """What a test of a connection finds. Holds no database connection while the gateway is asked.

    Raises:
        NotFoundError: There is none of this slug.
    """
    tenant_id = caller.tenant_id
    async with app.db.tenant_session(tenant_id) if tenant_id else app.db.platform_session() as session:
        row = await service.get_connection(session, slug, tenant_id)
        gateway = way_of(row, app.gateway, app.secrets)
    return await probe(gateway, app.http, model=trial.model)


async def _tested(connection: ConnectionSlug, caller: Steward, app: App, trial: ConnectionTrial) -> ConnectionReport:
    return await report_of(app, caller, connection, trial)


@router.post("/{connection}/test", operation_id="test_model_connection", responses=_KNOWN)
async def test_connection(
    connection: ConnectionSlug,
    caller: Steward,
    report: Annotated[ConnectionReport, Depends(_tested)],
    session: StewardSession,
) -> ConnectionReport:
    """Ask a connection what it serves, and say exactly what is wrong; what it lists is offered to agents from then."""
    await service.keep_report(session, connection, report, tenant_id=caller.tenant_id, actor=caller.actor)
    return report
