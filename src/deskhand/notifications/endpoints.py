"""Notifications over the API: what the caller is told of, and what was sent."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from deskhand.access.guards import TenantAdmin, TenantSession, Viewer
from deskhand.access.idempotency import IdempotentRoute
from deskhand.appstate import App
from deskhand.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses
from deskhand.notifications import service
from deskhand.notifications.schemas import Choices, ChoicesView, MessageQuery, MessageView

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], route_class=IdempotentRoute)

MessageId = Annotated[UUID, Path(description="The notification.")]


@router.get("", operation_id="list_notifications", responses=problem_responses(NotFoundError, InvalidInputError))
async def list_notifications(
    _admin: TenantAdmin, session: TenantSession, query: Annotated[MessageQuery, Query()]
) -> Page[MessageView]:
    """List what people were sent, what is gathered for them, and what failed and why; the newest first."""
    return await service.list_messages(session, query)


@router.get(
    "/choices",
    operation_id="get_notification_choices",
    responses=problem_responses(InvalidInputError),
)
async def get_choices(app: App, viewer: Viewer, session: TenantSession) -> ChoicesView:
    """Get what the person who is signed in is told of, and how soon."""
    return await service.get_choices(session, viewer, app.secrets)


@router.patch(
    "/choices",
    operation_id="choose_notifications",
    responses=problem_responses(ConflictError, ForbiddenError, InvalidInputError),
)
async def choose(app: App, viewer: Viewer, session: TenantSession, wanted: Choices) -> ChoicesView:
    """Choose what the person who is signed in is told of: at once, in a daily digest, or not at all."""
    return await service.choose(session, viewer, wanted, app.secrets)


@router.post(
    "/{notification_id}/send",
    operation_id="send_notification_again",
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def send_again(admin: TenantAdmin, session: TenantSession, notification_id: MessageId) -> MessageView:
    """Send a notification again that failed or is in doubt."""
    return await service.send_again(session, notification_id, principal=admin)
