"""What an agent may do, chosen in the console: operation by operation, and shown as a change before it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.forms import SafeForm
from deskhand.agents import changes
from deskhand.agents.bodies import AgentPatch
from deskhand.agents.console.grants import Typed, body_of, boxes_in, choices, difference, faults_of, opened, typed_of
from deskhand.agents.console.view import EditorAt, Looking, Revision, Told
from deskhand.agents.models import Agent
from deskhand.agents.outcomes import outcome_faults, read_outcome
from deskhand.agents.preflight import preflight
from deskhand.agents.schemas import AgentStatus
from deskhand.errors import ConflictError, DeskhandError, InvalidInputError, PreconditionFailedError
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import StorableText
from deskhand.tools.offered import OfferedTool, offered_tools
from deskhand.tools.values import Grants, read_grants
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/{agent_id}/tools")
async def tools_page(at: EditorAt, agent_id: UUID) -> Response:
    return await _choose(at, agent_id)


@router.post("/{agent_id}/tools")
async def change(
    at: EditorAt,
    agent_id: UUID,
    *,
    revision: Revision,
    step: Annotated[StorableText, Form(max_length=20)] = "review",
    wanted: Annotated[StorableText, Form(alias="open", max_length=100)] = "",
    _safe: SafeForm,
) -> Response:
    typed = boxes_in((await at.request.form()).multi_items())
    if step == "choose" or wanted:
        return await _choose(at, agent_id, typed, wanted=wanted)
    try:
        data = AgentPatch.model_validate(body_of(typed))
        return await (_save if step == "save" else _review)(at, agent_id, data, typed, revision)
    except ValidationError as error:
        return await _choose(at, agent_id, typed, error=invalid_input(error))
    except (ConflictError, PreconditionFailedError, InvalidInputError) as error:
        return await _choose(at, agent_id, typed, error=error)


async def _save(at: Looking, agent_id: UUID, data: AgentPatch, _typed: Typed, revision: int) -> Response:
    async with at.session() as session:
        agent, _ = await at.agents(session).update_agent(agent_id, data, if_match=f'"{revision}"')
    # Desks and models are asked after the transaction, which must not be held open for them.
    if agent.status == AgentStatus.ACTIVE and (warnings := await preflight(agent, at.app)):
        return await at.show(agent_id, Told(done="tools", warnings=warnings))
    return RedirectResponse(f"/agents/{agent_id}?done=tools", status_code=303)


async def _review(at: Looking, agent_id: UUID, data: AgentPatch, typed: Typed, _revision: int) -> Response:
    async with at.session() as session:
        agent = await at.agents(session).get_agent(agent_id)
        providers = {one.provider.tool_id: one.provider for one in await _offered(at, session)}
        after = changes.grants(
            agent, data.tool_ids, data.tool_operations, plugins=at.app.plugins, sources=list(providers.values())
        )
        before, outcome = _present(agent), read_outcome(agent.outcome)
    # What the agent ends in may need a grant: said before anybody decides, not after.
    if faults := list(outcome_faults(outcome, after)):
        raise InvalidInputError("; ".join(fault.detail for fault in faults), errors=faults)
    return at.render("review.html", agent=agent, change=difference(before, after, providers), typed=typed)


async def _choose(
    at: Looking,
    agent_id: UUID,
    typed: Typed | None = None,
    *,
    wanted: str = "",
    error: DeskhandError | None = None,
) -> Response:
    async with at.session() as session:
        agent = await at.agents(session).get_agent(agent_id)
        present = _present(agent)
        tools = await _offered(at, session)
    boxes = {**_opened_with(tools, present, wanted), **(typed_of(present) if typed is None else typed)}
    faults = error.errors if isinstance(error, ConflictError | InvalidInputError) else ()
    shown = choices(tools, boxes, faults_of(faults))
    here = {one.tool_id for one in shown}
    return at.render(
        "tools.html",
        Told(error=error),
        agent=agent,
        tools=shown,
        further=[one for one in tools if one.is_connected and one.provider.tool_id not in here],
        unconnected=[one.provider.name for one in tools if not one.is_connected and one.provider.tool_id not in here],
        gone=sorted(set(present) - {one.provider.tool_id for one in tools}),
    )


async def _offered(at: Looking, session: AsyncSession) -> list[OfferedTool]:
    return await offered_tools(session, at.tenant_id, secrets=at.app.secrets, plugins=at.app.plugins)


def _present(agent: Agent) -> dict[str, Grants]:
    return {tool.tool_id: read_grants(tool.operations) for tool in agent.tools}


def _opened_with(tools: list[OfferedTool], present: Mapping[str, Grants], wanted: str) -> dict[str, str]:
    """The boxes of the tools that are open though nothing of them is chosen: the one asked for, and the agent's own."""
    shown = [one.provider for one in tools if one.provider.tool_id == wanted or one.provider.tool_id in present]
    return {box: value for provider in shown for box, value in opened(provider).items()}
