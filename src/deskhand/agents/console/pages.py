"""Agents in the console: the list, one agent, and the steps of its life."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field, field_validator

from deskhand.access.forms import SafeForm
from deskhand.agents.activation import Override, override_by
from deskhand.agents.console import words
from deskhand.agents.console.editor import router as editor_pages
from deskhand.agents.console.tools import router as tool_pages
from deskhand.agents.console.triggers import router as trigger_pages
from deskhand.agents.console.versions import router as version_pages
from deskhand.agents.console.view import AtPage, Looking, OperatorAt, Revision, Told
from deskhand.agents.models import Agent
from deskhand.agents.preflight import preflight
from deskhand.agents.repository import AgentFilter
from deskhand.agents.schemas import AgentStatus, in_order
from deskhand.errors import ConflictError, PreconditionFailedError
from deskhand.kit.schema import StorableText
from deskhand.tools.catalogue import providers
from deskhand.tools.sources import source_providers
from deskhand.ui.routing import PageRoute

router = APIRouter(
    prefix="/agents", route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse
)
router.include_router(editor_pages)  # before the pages here: /agents/new is not an agent's id
router.include_router(tool_pages)
router.include_router(trigger_pages)
router.include_router(version_pages)

PAGE_SIZE = 50


class ListForm(BaseModel):
    """The list's address: what the filter form sends, every field possibly empty."""

    status: str = ""
    q: StorableText = Field("", max_length=200)
    tool: StorableText = Field("", max_length=100)
    model: StorableText = Field("", max_length=200)
    cursor: str | None = Field(None, max_length=500)

    @field_validator("cursor", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None

    @property
    def wanted(self) -> AgentFilter:
        """What to ask for; a state nobody knows counts as not given."""
        known = self.status in set(AgentStatus)
        return AgentFilter(
            status=AgentStatus(self.status) if known else None,
            q=self.q.strip() or None,
            tool=self.tool or None,
            model=self.model.strip() or None,
        )

    @property
    def is_filtered(self) -> bool:
        """Whether anything is left out of the list by choice."""
        return bool(self.status or self.q or self.tool or self.model)


@router.get("")
async def list_page(at: AtPage, form: Annotated[ListForm, Query()]) -> Response:
    async with at.session() as session:
        page = await at.agents(session).list_agents(form.wanted, limit=PAGE_SIZE, cursor=form.cursor)
        tools = [*providers(at.app.plugins), *await source_providers(session)]
    names = {tool.tool_id: tool.name for tool in tools}
    return at.render(
        "list.html",
        page=page,
        form=form,
        statuses=list(AgentStatus),
        tool_names=names,
        triggers={agent.id: [words.when(one).words for one in in_order(agent.triggers)] for agent in page.items},
    )


@router.get("/{agent_id}")
async def agent_page(at: AtPage, agent_id: UUID, done: Annotated[str, Query(max_length=20)] = "") -> Response:
    return await at.show(agent_id, Told(done=done))


@router.post("/{agent_id}/activate")
async def activate(
    at: OperatorAt,
    agent_id: UUID,
    _safe: SafeForm,
    revision: Revision,
    *,
    override_reason: Annotated[StorableText, Form(max_length=500)] = "",
) -> Response:
    return await _step(at, "activate", agent_id, revision, override_by(at.viewer, override_reason.strip()))


@router.post("/{agent_id}/suspend")
async def suspend(at: OperatorAt, agent_id: UUID, _safe: SafeForm, revision: Revision) -> Response:
    return await _step(at, "suspend", agent_id, revision)


@router.post("/{agent_id}/resume")
async def resume(at: OperatorAt, agent_id: UUID, _safe: SafeForm, revision: Revision) -> Response:
    return await _step(at, "resume", agent_id, revision)


@router.post("/{agent_id}/delete")
async def delete(at: OperatorAt, agent_id: UUID, _safe: SafeForm, revision: Revision) -> Response:
    return await _step(at, "delete", agent_id, revision)


async def _step(at: Looking, verb: str, agent_id: UUID, revision: int, override: Override | None = None) -> Response:
    try:
        agent = await _take(at, verb, agent_id, f'"{revision}"', override)
    except (ConflictError, PreconditionFailedError) as error:
        return await at.show(agent_id, Told(error=error))
    # Desks and models are asked after the transaction, which must not be held open for them.
    if agent.status == AgentStatus.ACTIVE and (warnings := await preflight(agent, at.app)):
        return await at.show(agent_id, Told(done=verb, warnings=warnings))
    return RedirectResponse(f"/agents/{agent_id}?done={verb}", status_code=303)


async def _take(at: Looking, verb: str, agent_id: UUID, seen: str, override: Override | None) -> Agent:
    async with at.session() as session:
        agents = at.agents(session)
        if verb == "activate":
            return await agents.activate_agent(agent_id, if_match=seen, override=override)
        steps = {
            "suspend": agents.suspend_agent,
            "resume": agents.resume_agent,
            "delete": agents.delete_agent,
        }
        return await steps[verb](agent_id, if_match=seen)
