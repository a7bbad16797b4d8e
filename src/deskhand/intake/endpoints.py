"""Webhook addresses, thin: read raw bytes under the cap, hand them to the inbox. And the list of what came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from starlette.requests import ClientDisconnect

from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import AppState, state_of
from deskhand.errors import (
    BadRequestError,
    InvalidInputError,
    PayloadTooLargeError,
    RateLimitedError,
    SignatureError,
    UnavailableError,
)
from deskhand.intake import repository
from deskhand.intake.filtering import FilterTrial, TriedFilter, try_filter
from deskhand.intake.inbox import Inbox
from deskhand.intake.schemas import DeliveryAnswer, DeliveryQuery, DeliveryRecord, TenantHookAnswer
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses, public_problem_responses
from deskhand.plugins.contract import WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError

MAX_BODY_BYTES = 1024 * 1024

router = APIRouter(tags=["webhooks"])


@dataclass(slots=True, kw_only=True)
class IntakeState(AppState):
    """What the webhook addresses share besides."""

    inbox: Inbox


_REFUSALS = public_problem_responses(
    BadRequestError,
    NotAVendorPayloadError,
    SignatureError,
    PayloadTooLargeError,
    InvalidInputError,
    RateLimitedError,
    UnavailableError,
)
_BODY = {
    "requestBody": {
        "required": True,
        "description": "The desk's own JSON, signed (see docs/reference/webhooks.md). At most 1 MiB.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@router.post(
    "/agents/{agent_id}/webhook",
    operation_id="receive_agent_webhook",
    status_code=202,
    response_model=DeliveryAnswer,
    responses=_REFUSALS,
    openapi_extra=_BODY,
    summary="Deliver an event to one agent",
)
async def receive_agent_webhook(
    agent_id: Annotated[UUID, Path(description="The agent.")], request: Request
) -> DeliveryAnswer:
    """Signed with Standard Webhooks headers, ``X-Hub-Signature-256``, or the desk's own scheme."""
    state = state_of(request, IntakeState)
    with state.telemetry.accepting():
        try:
            webhook = await read_request(request)
        except PayloadTooLargeError as error:
            # Kept in the list of deliveries all the same: whoever set the desk up looks there for what did not arrive.
            await state.inbox.refuse_unread(agent_id, "", "", error)
            raise
        return await state.inbox.receive_for_agent(agent_id, webhook)


@router.post(
    "/webhooks/{tenant_id}/{tool_type}",
    operation_id="receive_desk_webhook",
    status_code=202,
    response_model=TenantHookAnswer,
    responses=_REFUSALS,
    openapi_extra=_BODY,
    summary="Deliver a desk's event to every agent that works on that desk",
)
async def receive_desk_webhook(
    tenant_id: Annotated[str, Path(description="The tenant.")],
    tool_type: Annotated[str, Path(description="Its desk.")],
    request: Request,
) -> TenantHookAnswer:
    """Signed with the tenant's webhook secret."""
    state = state_of(request, IntakeState)
    with state.telemetry.accepting():
        try:
            webhook = await read_request(request)
        except PayloadTooLargeError as error:
            await state.inbox.refuse_unread(None, tenant_id, tool_type, error)
            raise
        return TenantHookAnswer(deliveries=await state.inbox.receive_for_desk(tenant_id, tool_type, webhook))


@router.get(
    "/api/v1/deliveries",
    operation_id="list_deliveries",
    responses=problem_responses(InvalidInputError),
    summary="List what came in",
)
async def list_deliveries(
    _viewer: Viewer, session: TenantSession, query: Annotated[DeliveryQuery, Query()]
) -> Page[DeliveryRecord]:
    """Deliveries to the tenant's triggers, newest first: accepted, ignored and rejected ones, each with its reason."""
    return await repository.list_deliveries(session, query, limit=query.limit, cursor=query.cursor)


@router.post(
    "/api/v1/deliveries/try-filter",
    operation_id="try_event_filter",
    responses=problem_responses(InvalidInputError),
    summary="Try an event filter on what came in",
)
async def try_event_filter(_viewer: Viewer, session: TenantSession, trial: FilterTrial) -> TriedFilter:
    """Which of the tenant's newest deliveries would have started a run, and why the others would not.

    Nothing is started and nothing is stored. A delivery that was refused, or that came while the agent was off, was
    never read, and is not in it or keeps its reason.
    """
    return await try_filter(session, trial)


async def read_request(request: Request) -> WebhookRequest:
    """Raw bytes and lower-case headers of a request.

    Raises:
        PayloadTooLargeError: The body is larger than ``MAX_BODY_BYTES``; reading stops there.
    """
    declared = request.headers.get("content-length", "")
    # Refused by its header alone, before a byte is read; the count below is for senders that declare nothing, or lie.
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _too_large()
    except ClientDisconnect as error:
        raise BadRequestError("The connection ended before the whole body had arrived.") from error
    return WebhookRequest(headers=dict(request.headers.items()), body=bytes(body))


def _too_large() -> PayloadTooLargeError:
    return PayloadTooLargeError(f"The body is larger than {MAX_BODY_BYTES} bytes (1 MiB).")
