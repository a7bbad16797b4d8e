"""Agents over HTTP. The ETag is the revision; send it back as ``If-Match`` to change only what you have seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Response, status
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.guards import Authenticated, Editor, Operator, TenantSession, Viewer
from deskhand.access.idempotency import IdempotentRoute
from deskhand.access.principal import Principal
from deskhand.agents.activation import Activation, override_by
from deskhand.agents.bodies import ActivatedAgent, AgentPatch, AgentPost, ChangedAgent, WebhookSecret
from deskhand.agents.lifecycle import AgentNotReadyError, BelowBarError
from deskhand.agents.models import Agent
from deskhand.agents.preflight import preflight
from deskhand.agents.repository import AgentFilter
from deskhand.agents.schemas import AgentResponse, AgentStatus
from deskhand.agents.service import AgentService, Made, etag
from deskhand.agents.versions import AgentVersionResponse, VersionDiff
from deskhand.agents.webhook_secrets import RotatedSecret, RotateSecret
from deskhand.appstate import App, AppState
from deskhand.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    InvalidTransitionError,
    NotFoundError,
    PreconditionFailedError,
)
from deskhand.kit.page import Page, PageCursor, PageLimit
from deskhand.kit.problem import problem_responses
from deskhand.kit.schema import StorableText, WholeNumber
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.endpoints import Plugins

router = APIRouter(prefix="/api/v1/agents", tags=["agents"], route_class=IdempotentRoute)

READS = problem_responses(NotFoundError, InvalidInputError)
CHANGES = problem_responses(
    NotFoundError,
    ConflictError,
    InvalidTransitionError,
    AgentNotReadyError,
    BelowBarError,
    PreconditionFailedError,
    InvalidInputError,
)
ETAG_HEADER: dict[str, Any] = {
    "headers": {"ETag": {"description": "The agent's revision.", "schema": {"type": "string"}}}
}


def agents_of(principal: Principal, session: AsyncSession, app: AppState, plugins: PluginManager) -> AgentService:
    """Agents of the caller's tenant, in a transaction of it."""
    assert principal.tenant_id is not None  # the session dependency refused it before
    return AgentService(
        session,
        tenant_id=principal.tenant_id,
        actor=principal.actor,
        secrets=app.secrets,
        plugins=plugins,
        listed_models=app.listed_models,
        clock=app.clock,
    )


async def agent_service(principal: Authenticated, session: TenantSession, app: App, plugins: Plugins) -> AgentService:
    """Agents of the caller's tenant, in the request's transaction."""
    return agents_of(principal, session, app, plugins)


Agents = Annotated[AgentService, Depends(agent_service)]


@asynccontextmanager
async def changing(principal: Principal, app: AppState) -> AsyncIterator[AgentService]:
    """Agents of the caller's tenant in a transaction that ends with the block: others are asked after it."""
    assert principal.tenant_id is not None  # the guard asks for a role that only a tenant's own have
    async with app.db.tenant_session(principal.tenant_id) as session:
        yield agents_of(principal, session, app, app.plugins)


AgentId = Annotated[UUID, Path(description="The agent.")]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=200, description="ETag the change is meant for; 412 if it is another by now."),
]
VersionNumber = Annotated[int, Field(ge=1, le=2**31 - 1), WholeNumber, Path(description="Number of the version.")]
FromVersion = Annotated[
    int, Field(ge=1, le=2**31 - 1), WholeNumber, Query(alias="from", description="Number of the older version.")
]
ToVersion = Annotated[
    int, Field(ge=1, le=2**31 - 1), WholeNumber, Query(alias="to", description="Number of the newer version.")
]


@router.post(
    "",
    operation_id="create_agent",
    status_code=status.HTTP_201_CREATED,
    responses={
        201: ETAG_HEADER,
        **problem_responses(ConflictError, AgentNotReadyError, BelowBarError, InvalidInputError),
    },
)
async def create_agent(
    data: AgentPost, principal: Editor, agents: Agents, app: App, response: Response
) -> ChangedAgent:
    """Create an agent with triggers and tools. Webhook secrets that were made are shown in this answer only."""
    # To write an agent and to let it loose are two permissions; created "active", it would need only the first.
    _ensure_may_set_status(principal, data.status if data.status != AgentStatus.DRAFT else None)
    # In the request's own transaction although others may be asked in it: an answer that can be had again by its
    # Idempotency-Key is kept with the agent it tells of.
    agent, made = await agents.create_agent(data)
    response.headers["Location"] = f"{router.prefix}/{agent.id}"
    return await _changed(agent, made, app, response)


@router.get("", operation_id="list_agents", responses=problem_responses(InvalidInputError))
async def list_agents(
    _caller: Viewer,
    agents: Agents,
    *,
    status: Annotated[
        AgentStatus | None, Query(description="Only this state; left out, all but inactive ones.")
    ] = None,
    q: Annotated[StorableText | None, Query(max_length=200, description="Text in name or description.")] = None,
    tool: Annotated[StorableText | None, Query(max_length=100, description="Only agents with this tool.")] = None,
    model: Annotated[StorableText | None, Query(max_length=200, description="Only agents with this model.")] = None,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[AgentResponse]:
    """List the tenant's agents, newest first."""
    wanted = AgentFilter(status=status, q=q, tool=tool, model=model)
    page = await agents.list_agents(wanted, limit=limit, cursor=cursor)
    return Page(items=[AgentResponse.model_validate(agent) for agent in page.items], next_cursor=page.next_cursor)


@router.get("/{agent_id}", operation_id="get_agent", responses={200: ETAG_HEADER, **READS})
async def get_agent(agent_id: AgentId, _caller: Viewer, agents: Agents, response: Response) -> AgentResponse:
    """Read an agent. Inactive ones are still readable by their id."""
    return _shown(await agents.get_agent(agent_id), response)


@router.patch("/{agent_id}", operation_id="update_agent", responses={200: ETAG_HEADER, **CHANGES})
async def update_agent(
    agent_id: AgentId,
    data: AgentPatch,
    principal: Editor,
    app: App,
    *,
    response: Response,
    if_match: IfMatch = None,
) -> ChangedAgent:
    """Change an agent. A change of prompt, model, tools or triggers makes a new version."""
    async with changing(principal, app) as agents:
        if data.status is not None and data.status != (await agents.get_agent(agent_id)).status:
            _ensure_may_set_status(principal, data.status)
        agent, made = await agents.update_agent(agent_id, data, if_match=if_match)
    # A new name makes nothing fail that did not before.
    reaches = not {"status", "llm_config", "tool_ids", "tool_operations"}.isdisjoint(data.model_fields_set)
    return await _changed(agent, made, app, response, ask=reaches)


@router.delete("/{agent_id}", operation_id="delete_agent", responses={200: ETAG_HEADER, **CHANGES})
async def delete_agent(
    agent_id: AgentId, _caller: Operator, agents: Agents, response: Response, if_match: IfMatch = None
) -> AgentResponse:
    """Delete an agent softly: it becomes inactive, for good."""
    return _shown(await agents.delete_agent(agent_id, if_match=if_match), response)


@router.post("/{agent_id}/activate", operation_id="activate_agent", responses={200: ETAG_HEADER, **CHANGES})
async def activate_agent(
    agent_id: AgentId,
    principal: Operator,
    app: App,
    response: Response,
    *,
    if_match: IfMatch = None,
    activation: Activation | None = None,
) -> ActivatedAgent:
    """Let an agent run. Everything it still lacks is named at once; what will fail is told in `warnings`.

    A version that is below the tenant's bar in the replay lab needs a person who says why.
    """
    override = override_by(principal, activation.override_reason if activation else None)
    async with changing(principal, app) as agents:
        agent = await agents.activate_agent(agent_id, if_match=if_match, override=override)
    shown = _shown(agent, response).model_dump()
    return ActivatedAgent.model_validate({**shown, "warnings": await preflight(agent, app)})


@router.post("/{agent_id}/suspend", operation_id="suspend_agent", responses={200: ETAG_HEADER, **CHANGES})
async def suspend_agent(
    agent_id: AgentId, _caller: Operator, agents: Agents, response: Response, if_match: IfMatch = None
) -> AgentResponse:
    """Pause an active agent. Its webhook URL and secret are kept."""
    return _shown(await agents.suspend_agent(agent_id, if_match=if_match), response)


@router.post("/{agent_id}/resume", operation_id="resume_agent", responses={200: ETAG_HEADER, **CHANGES})
async def resume_agent(
    agent_id: AgentId, principal: Operator, app: App, response: Response, if_match: IfMatch = None
) -> ActivatedAgent:
    """Let a suspended agent run again; what will fail is told in `warnings`."""
    async with changing(principal, app) as agents:
        agent = await agents.resume_agent(agent_id, if_match=if_match)
    shown = _shown(agent, response).model_dump()
    return ActivatedAgent.model_validate({**shown, "warnings": await preflight(agent, app)})


@router.get("/{agent_id}/versions", operation_id="list_agent_versions", responses=READS)
async def list_versions(
    agent_id: AgentId, _caller: Viewer, agents: Agents, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[AgentVersionResponse]:
    """List the versions of an agent, newest first."""
    page = await agents.list_versions(agent_id, limit=limit, cursor=cursor)
    return Page(items=[AgentVersionResponse.model_validate(row) for row in page.items], next_cursor=page.next_cursor)


@router.get("/{agent_id}/versions/{number}", operation_id="get_agent_version", responses=READS)
async def get_version(
    agent_id: AgentId, number: VersionNumber, _caller: Viewer, agents: Agents
) -> AgentVersionResponse:
    """Read one version of an agent."""
    return AgentVersionResponse.model_validate(await agents.get_version(agent_id, number))


@router.get("/{agent_id}/diff", operation_id="compare_agent_versions", responses=READS)
async def compare_versions(
    agent_id: AgentId, _caller: Viewer, agents: Agents, before: FromVersion, after: ToVersion
) -> VersionDiff:
    """What changed from one version to another."""
    return await agents.compare_versions(agent_id, before, after)


@router.post(
    "/{agent_id}/versions/{number}/rollback", operation_id="roll_back_agent", responses={200: ETAG_HEADER, **CHANGES}
)
async def roll_back(
    agent_id: AgentId,
    number: VersionNumber,
    principal: Editor,
    app: App,
    *,
    response: Response,
    if_match: IfMatch = None,
) -> ChangedAgent:
    """Make the agent what it was in a version. This is a new version; history stays."""
    async with changing(principal, app) as agents:
        agent, made = await agents.roll_back(agent_id, number, if_match=if_match)
    return await _changed(agent, made, app, response)


@router.post("/{agent_id}/rotate-secret", operation_id="rotate_webhook_secret", responses=CHANGES)
async def rotate_secret(
    agent_id: AgentId, data: RotateSecret, _caller: Editor, agents: Agents, app: App, *, if_match: IfMatch = None
) -> RotatedSecret:
    """Give a webhook a new secret, shown in this answer only. The old one stays valid for the grace period."""
    trigger, secret = await agents.rotate_secret(agent_id, data, if_match=if_match)
    path = trigger.webhook_url or ""
    return RotatedSecret(
        trigger_id=trigger.id,
        webhook_url=path,
        endpoint=app.public_url + path,
        secret=secret,
        previous_valid_until=trigger.previous_hmac_secret_expires_at,
    )


def _ensure_may_set_status(principal: Principal, wanted: AgentStatus | None) -> None:
    # To write an agent and to let it loose are two roles; created "active", it would need only the first.
    if wanted is not None and not principal.may("operator"):
        raise ForbiddenError(f"Setting an agent's status needs the role operator; yours is {principal.role}.")


def _shown(agent: Agent, response: Response) -> AgentResponse:
    # With every answer, so that a client which has just changed an agent can go on without reading it again.
    response.headers["ETag"] = etag(agent)
    return AgentResponse.model_validate(agent)


async def _changed(agent: Agent, made: Made, app: AppState, response: Response, *, ask: bool = True) -> ChangedAgent:
    response.headers["Cache-Control"] = "no-store"
    paths = {trigger.id: trigger.webhook_url or "" for trigger in agent.triggers}
    secrets = [
        WebhookSecret(trigger_id=ident, webhook_url=paths[ident], endpoint=app.public_url + paths[ident], secret=secret)
        for ident, secret in made.items()
    ]
    warnings = await preflight(agent, app) if ask and agent.status == AgentStatus.ACTIVE else []
    shown = _shown(agent, response).model_dump()
    return ChangedAgent.model_validate({**shown, "webhook_secrets": secrets, "warnings": warnings})
