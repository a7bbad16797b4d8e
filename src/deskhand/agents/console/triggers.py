"""What starts an agent, in the console: triggers added, changed and removed."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from deskhand.access.forms import SafeForm
from deskhand.agents.bodies import AgentPatch
from deskhand.agents.console import words
from deskhand.agents.console.starts import HOURS, MISFIRES, TriggerForm, faults_by_box, kept_triggers, with_trigger
from deskhand.agents.console.view import EditorAt, Looking, Revision, Told
from deskhand.agents.models import Agent, AgentTrigger
from deskhand.agents.schemas import TriggerType, in_order
from deskhand.errors import (
    ConflictError,
    DeskhandError,
    InvalidInputError,
    NotFoundError,
    PreconditionFailedError,
)
from deskhand.kit.problem import invalid_input
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

Typed = Annotated[TriggerForm, Form()]


@router.get("/{agent_id}/triggers/new")
async def new_page(
    at: EditorAt, agent_id: UUID, kind: Annotated[TriggerType, Query()] = TriggerType.WEBHOOK
) -> Response:
    return await _page(at, agent_id, None, TriggerForm(trigger_type=kind))


@router.post("/{agent_id}/triggers/new")
async def add(at: EditorAt, agent_id: UUID, form: Typed, *, revision: Revision, _safe: SafeForm) -> Response:
    return await _save(at, agent_id, None, form, revision)


@router.get("/{agent_id}/triggers/{trigger_id}")
async def trigger_page(at: EditorAt, agent_id: UUID, trigger_id: UUID) -> Response:
    return await _page(at, agent_id, trigger_id)


@router.post("/{agent_id}/triggers/{trigger_id}")
async def change(
    at: EditorAt, agent_id: UUID, trigger_id: UUID, form: Typed, *, revision: Revision, _safe: SafeForm
) -> Response:
    return await _save(at, agent_id, trigger_id, form, revision)


@router.post("/{agent_id}/triggers/{trigger_id}/remove")
async def remove(at: EditorAt, agent_id: UUID, trigger_id: UUID, *, revision: Revision, _safe: SafeForm) -> Response:
    try:
        async with at.session() as session:
            agents = at.agents(session)
            agent = await agents.get_agent(agent_id)
            _find(agent, trigger_id)
            body = {"triggers": kept_triggers(in_order(agent.triggers), without=trigger_id)}
            await agents.update_agent(agent_id, AgentPatch.model_validate(body), if_match=f'"{revision}"')
    except (ConflictError, PreconditionFailedError, InvalidInputError) as error:
        return await at.show(agent_id, Told(error=error))
    return RedirectResponse(f"/agents/{agent_id}?done=removed", status_code=303)


async def _save(at: Looking, agent_id: UUID, ident: UUID | None, form: TriggerForm, revision: int) -> Response:
    try:
        async with at.session() as session:
            agents = at.agents(session)
            agent = await agents.get_agent(agent_id)
            if ident is not None:
                _find(agent, ident)
            body = {"triggers": with_trigger(in_order(agent.triggers), form, ident)}
            _, made = await agents.update_agent(agent_id, AgentPatch.model_validate(body), if_match=f'"{revision}"')
    except ValidationError as error:
        return await _page(at, agent_id, ident, form, invalid_input(error))
    except (ConflictError, PreconditionFailedError, InvalidInputError) as error:
        return await _page(at, agent_id, ident, form, error)
    if made:
        return await at.show(agent_id, Told(done="trigger", secrets=made))
    return RedirectResponse(f"/agents/{agent_id}?done=trigger", status_code=303)


async def _page(
    at: Looking,
    agent_id: UUID,
    ident: UUID | None,
    form: TriggerForm | None = None,
    error: DeskhandError | None = None,
) -> Response:
    async with at.session() as session:
        agent = await at.agents(session).get_agent(agent_id)
    triggers = in_order(agent.triggers)
    stored = None if ident is None else _find(agent, ident)
    index = len(triggers) if stored is None else triggers.index(stored)
    shown = form or TriggerForm.of(stored or AgentTrigger(trigger_type=TriggerType.WEBHOOK))
    # The stored kind counts: what an address or a form says of it changes no trigger.
    shown = shown if stored is None else shown.model_copy(update={"trigger_type": TriggerType(stored.trigger_type)})
    return at.render(
        "trigger.html",
        Told(error=error),
        agent=agent,
        trigger=stored,
        when=None if stored is None else words.when(stored, now=at.app.clock()),
        form=shown,
        faults=faults_by_box(error, index),
        misfires=MISFIRES,
        hours=HOURS,
        public_url=at.app.public_url,
    )


def _find(agent: Agent, ident: UUID) -> AgentTrigger:
    """The agent's trigger of that id.

    Raises:
        NotFoundError: It has none.
    """
    for trigger in agent.triggers:
        if trigger.id == ident:
            return trigger
    raise NotFoundError(f"The agent has no trigger {ident}.")
