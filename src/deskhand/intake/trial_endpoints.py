"""A webhook tried from here: an event as the desk would send it, signed with the webhook's secret, at the real door."""

from __future__ import annotations

import hashlib
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.guards import Operator
from deskhand.access.principal import Principal
from deskhand.agents.endpoints import agents_of
from deskhand.agents.models import Agent, AgentTrigger
from deskhand.agents.schemas import TriggerType
from deskhand.appstate import state_of
from deskhand.audit import service as audit
from deskhand.errors import (
    BadRequestError,
    ConflictError,
    FieldProblem,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    SignatureError,
    UnavailableError,
)
from deskhand.intake import repository
from deskhand.intake.endpoints import IntakeState
from deskhand.intake.schemas import DeliveryFilters, DeliveryRecord
from deskhand.kit.problem import problem_responses
from deskhand.kit.schema import InputModel
from deskhand.plugins.contract import WebhookRequest
from deskhand.plugins.registry import is_beside_desks
from deskhand.plugins.samples import sample_event

router = APIRouter(prefix="/api/v1/agents", tags=["webhooks"])

LOOKED_AT = 20
"""Of the agent's newest deliveries, among which the event is found again: others may come at the same time."""


class WebhookTrial(InputModel):
    """An event to send to an agent's own webhook."""

    ticket_id: str = Field(
        min_length=1,
        max_length=100,
        description="Ticket that it is about, by the desk's stable id: an active agent starts a run on it.",
    )
    tool_type: str | None = Field(
        None, max_length=50, description="Desk as which it is sent; left out, the agent's first by name."
    )


@router.post(
    "/{agent_id}/triggers/{trigger_id}/test",
    operation_id="try_webhook",
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError, RateLimitedError, UnavailableError),
    summary="Send a test event to an agent's webhook",
)
async def try_agent_webhook(
    agent_id: Annotated[UUID, Path(description="The agent.")],
    trigger_id: Annotated[UUID, Path(description="Its webhook.")],
    trial: WebhookTrial,
    operator: Operator,
    request: Request,
) -> DeliveryRecord:
    """A change of a ticket, made and signed as the desk does it, goes through the same door as the desk's own.

    What became of it is the answer, also where it was refused. An active agent starts a run, as for any event.
    """
    return await try_webhook(state_of(request, IntakeState), operator, agent_id, trigger_id, trial)


async def try_webhook(
    state: IntakeState, operator: Principal, agent_id: UUID, trigger_id: UUID, trial: WebhookTrial
) -> DeliveryRecord:
    """Send the event, and find what became of it.

    Raises:
        NotFoundError: The tenant has no such agent, or that has no such trigger.
        ConflictError: The trigger is a schedule, the agent works on no desk, or its desk has no event to try with.
        InvalidInputError: The agent does not work on that desk.
    """
    assert operator.tenant_id is not None  # the guard asks for a role that only a tenant's own have
    async with state.db.tenant_session(operator.tenant_id) as session:
        agent = await agents_of(operator, session, state, state.plugins).get_agent(agent_id)
        request = _event(state, agent, _webhook(agent, trigger_id), trial)
        await _record(session, operator, agent, trigger_id, trial)
    # A secret that was replaced a moment ago counts here at once, as it does for a desk that was just told of it.
    state.inbox.forget(agent_id)
    refusal: Exception | None = None
    try:
        await state.inbox.receive_for_agent(agent_id, request)
    except (SignatureError, BadRequestError, InvalidInputError) as error:
        refusal = error  # its record says more than the sender is told
    async with state.db.tenant_session(operator.tenant_id) as session:
        found = await _delivery(session, agent_id, request)
    if found is None:
        raise refusal or NotFoundError("The event left no record: the agent's webhook is gone.")
    return found


def _event(state: IntakeState, agent: Agent, trigger: AgentTrigger, trial: WebhookTrial) -> WebhookRequest:
    desks = sorted(tool.tool_id for tool in agent.tools if not is_beside_desks(tool.tool_id))
    if not desks:
        raise ConflictError("The agent works on no desk, so there is no event that it could be sent.")
    desk = trial.tool_type or desks[0]
    if desk not in desks:
        fault = FieldProblem("/tool_type", f"'{desk}' is no desk of the agent; its desks: {', '.join(desks)}")
        raise InvalidInputError(fault.detail, errors=[fault])
    secret = state.secrets.decrypt(trigger.hmac_secret or "")
    event = sample_event(state.plugins.get_plugin(desk), ticket_id=trial.ticket_id, secret=secret, now=state.clock())
    if event is None:
        raise ConflictError(f"'{desk}' has no event to try with: change a ticket there instead.")
    return event


def _webhook(agent: Agent, trigger_id: UUID) -> AgentTrigger:
    trigger = next((one for one in agent.triggers if one.id == trigger_id), None)
    if trigger is None:
        raise NotFoundError(f"The agent has no trigger {trigger_id}.")
    if trigger.trigger_type != TriggerType.WEBHOOK:
        raise ConflictError("The trigger is a schedule and takes no events.")
    return trigger


async def _record(
    session: AsyncSession, operator: Principal, agent: Agent, trigger_id: UUID, trial: WebhookTrial
) -> None:
    # Before the event: it may start a run, and who made it come must be found whatever becomes of it.
    await audit.record(
        session,
        tenant_id=agent.tenant_id,
        actor=operator.actor,
        operation="agent.try_webhook",
        resource_type="agent",
        resource_id=agent.id,
        details={"trigger": str(trigger_id), "ticket": trial.ticket_id},
    )


async def _delivery(session: AsyncSession, agent_id: UUID, request: WebhookRequest) -> DeliveryRecord | None:
    """The event's record: the newest with these bytes."""
    digest = hashlib.sha256(request.body).hexdigest()
    page = await repository.list_deliveries(session, DeliveryFilters(agent_id=agent_id), limit=LOOKED_AT, cursor=None)
    return next((one for one in page.items if one.body_sha256 == digest), None)
