"""Webhooks and filters tried in the console: an event of our own through the real door, a filter on what came in."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from deskhand.access.forms import SafeForm
from deskhand.access.guards import Operator, TenantSession, Viewer
from deskhand.appstate import App, state_of
from deskhand.errors import BadRequestError, ConflictError, DeskhandError, InvalidInputError
from deskhand.intake.console.explanations import explain
from deskhand.intake.endpoints import IntakeState
from deskhand.intake.filtering import FilterTrial, TriedFilter, try_filter
from deskhand.intake.trial_endpoints import WebhookTrial, try_webhook
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import StorableText
from deskhand.kit.storable import UnreadableJsonError, read_json
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

TypedFilter = Annotated[StorableText, Form(max_length=100_000)]


@router.post("/agents/{agent_id}/triggers/{trigger_id}/test")
async def send_event(
    request: Request,
    app: App,
    operator: Operator,
    agent_id: UUID,
    trigger_id: UUID,
    *,
    ticket_id: Annotated[StorableText, Form(max_length=1000)] = "",
    tool_type: Annotated[StorableText, Form(max_length=100)] = "",
    _safe: SafeForm,
) -> Response:
    context: dict[str, Any] = {"viewer": operator, "agent_id": agent_id, "now": app.clock(), "desks": app.plugins.names}
    try:
        trial = WebhookTrial(ticket_id=ticket_id.strip(), tool_type=tool_type or None)
        found = await try_webhook(state_of(request, IntakeState), operator, agent_id, trigger_id, trial)
    except ValidationError as error:
        return _tested(request, error=invalid_input(error), **context)
    except (BadRequestError, ConflictError, InvalidInputError) as error:
        return _tested(request, error=error, **context)
    return _tested(
        request, delivery=found, explained=explain(found.outcome, found.reason, found.http_status), **context
    )


@router.get("/deliveries/try-filter")
async def filter_page(
    request: Request, viewer: Viewer, *, agent_id: Annotated[UUID | None, Query()] = None
) -> Response:
    return _filtered(request, viewer=viewer, typed="", agent_id=agent_id)


@router.post("/deliveries/try-filter")
async def filter_tried(
    request: Request,
    viewer: Viewer,
    session: TenantSession,
    *,
    event_filter: TypedFilter = "",
    agent_id: Annotated[UUID | None, Form()] = None,
    _safe: SafeForm,
) -> Response:
    context: dict[str, Any] = {"viewer": viewer, "typed": event_filter, "agent_id": agent_id}
    try:
        wanted = FilterTrial.model_validate({"event_filter": read_json(event_filter), "agent_id": agent_id})
    except UnreadableJsonError as error:
        return _filtered(request, error=InvalidInputError(f"The filter is not JSON: {error}"), **context)
    except ValidationError as error:
        return _filtered(request, error=invalid_input(error, at=()), **context)
    return _filtered(request, tried=await try_filter(session, wanted), **context)


def _tested(request: Request, *, error: DeskhandError | None = None, **context: Any) -> Response:
    return render(
        request,
        "intake/console/tested.html",
        status_code=200 if error is None else error.status,
        error=error,
        **{"delivery": None, "explained": None, **context},
    )


def _filtered(
    request: Request, *, error: DeskhandError | None = None, tried: TriedFilter | None = None, **context: Any
) -> Response:
    # htmx draws no refusal, and a person who is typing is to read what is wrong.
    part = request.headers.get("hx-request") is not None
    return render(
        request,
        f"intake/console/{'_filter' if part else 'filter'}.html",
        status_code=200 if error is None or part else error.status,
        error=error,
        tried=tried,
        **context,
    )
