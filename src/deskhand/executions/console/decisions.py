"""Forms about one run: replay it, retry it with another input, answer its question."""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.forms import SafeForm
from deskhand.access.guards import Operator, TenantSession
from deskhand.access.principal import Principal
from deskhand.appstate import AppState, state_of
from deskhand.errors import ConflictError, DeskhandError, FieldProblem, InvalidInputError
from deskhand.executions import doubts, repeats, service
from deskhand.executions.decision_schemas import DoubtAnswer, ReplayRequest, RetryWith
from deskhand.kit.problem import invalid_input
from deskhand.ui.format import pretty_json
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)


M = TypeVar("M", bound=BaseModel)


class RetryForm(BaseModel):
    """What was typed; an empty field changes nothing."""

    input: str = Field("", max_length=1_000_000)
    ticket_ref: str = ""
    tool_type: str = ""
    even_though_written: bool = False


@router.get("/executions/{execution_id}/replay")
async def replay_form(request: Request, operator: Operator, session: TenantSession, execution_id: UUID) -> Response:
    return await _replay_page(request, operator, session, execution_id, wanted=ReplayRequest(), error=None)


@router.post("/executions/{execution_id}/replay")
async def replay(
    request: Request,
    operator: Operator,
    session: TenantSession,
    execution_id: UUID,
    *,
    agent_version: Annotated[int, Form(ge=1)],
    # What writes must be asked for: a form that came incomplete replays without writing.
    mode: Annotated[str, Form()] = "dry_run",
    _safe: SafeForm,
) -> Response:
    wanted = ReplayRequest(agent_version=agent_version, mode="live" if mode == "live" else "dry_run")
    try:
        started = await repeats.replay_execution(session, execution_id, wanted, principal=operator)
    except (ConflictError, InvalidInputError) as error:
        return await _replay_page(request, operator, session, execution_id, wanted=wanted, error=error)
    return _to(started.id)


@router.get("/executions/{execution_id}/retry-with")
async def retry_form(request: Request, operator: Operator, session: TenantSession, execution_id: UUID) -> Response:
    execution = await service.get_execution(session, execution_id)
    form = RetryForm(
        input=pretty_json(execution.input_payload or {}),
        ticket_ref=execution.ticket_ref or "",
        tool_type=execution.tool_type or "",
    )
    return await _retry_page(request, operator, session, execution_id, form=form, error=None)


@router.post("/executions/{execution_id}/retry-with")
async def retry_with(
    request: Request,
    operator: Operator,
    session: TenantSession,
    execution_id: UUID,
    *,
    form: Annotated[RetryForm, Form()],
    _safe: SafeForm,
) -> Response:
    # Compared with what the form showed, so that a field nobody touched changes nothing.
    before = await service.get_execution(session, execution_id)
    try:
        change = read_form(form, before.input_payload or {}, before.ticket_ref, before.tool_type)
        started = await repeats.retry_with(session, execution_id, change, principal=operator)
    except (ConflictError, InvalidInputError) as error:
        return await _retry_page(request, operator, session, execution_id, form=form, error=error)
    return _to(started.id)


@router.post("/executions/{execution_id}/answer")
async def answer(
    operator: Operator,
    session: TenantSession,
    execution_id: UUID,
    *,
    step_key: Annotated[str, Form(min_length=1, max_length=200)],
    done: Annotated[bool, Form()],
    receipt_id: Annotated[str, Form(max_length=200)] = "",
    _safe: SafeForm,
) -> Response:
    receipt = receipt_id.strip() or None
    # A receipt belongs to a write that was made; beside "not done" it is what somebody left in the form.
    doubt_answer = _read(DoubtAnswer, step_key=step_key, done=done, receipt_id=receipt if done else None)
    await doubts.answer_doubt(session, execution_id, doubt_answer, principal=operator)
    return _to(execution_id)


def read_form(form: RetryForm, payload: dict[str, Any], ticket_ref: str | None, tool_type: str | None) -> RetryWith:
    """What a form changes about a run; fields that say what was there before change nothing.

    Raises:
        InvalidInputError: The input is not a JSON object, or nothing was changed.
    """
    try:
        typed = json.loads(form.input) if form.input.strip() else None
    # An input nested deeply enough ends json.loads in a RecursionError: the form's fault, and no failure of ours.
    except (ValueError, RecursionError) as error:
        raise _input_fault(f"not JSON: {error}") from error
    if typed is not None and not isinstance(typed, dict):
        raise _input_fault("must be a JSON object")
    return _read(
        RetryWith,
        input=None if typed == payload else typed,
        ticket_ref=_changed(form.ticket_ref, ticket_ref),
        tool_type=_changed(form.tool_type, tool_type),
        even_though_written=form.even_though_written,
    )


def _read(model: type[M], **values: Any) -> M:
    try:
        return model(**values)
    except ValidationError as error:
        raise invalid_input(error) from error


def _changed(typed: str, before: str | None) -> str | None:
    return None if typed.strip() in ("", before) else typed


def _input_fault(detail: str) -> InvalidInputError:
    return InvalidInputError("The input cannot be read.", errors=[FieldProblem("/input", detail)])


async def _replay_page(
    request: Request,
    operator: Principal,
    session: AsyncSession,
    execution_id: UUID,
    *,
    wanted: ReplayRequest,
    error: DeskhandError | None,
) -> Response:
    execution = await service.get_execution(session, execution_id)
    return render(
        request,
        "executions/console/replay.html",
        status_code=error.status if error else 200,
        viewer=operator,
        execution=execution,
        choices=await repeats.choices_for(session, execution_id),
        version=wanted.agent_version or execution.agent_version,
        mode=wanted.mode,
        error=error,
    )


async def _retry_page(
    request: Request,
    operator: Principal,
    session: AsyncSession,
    execution_id: UUID,
    *,
    form: RetryForm,
    error: DeskhandError | None,
) -> Response:
    return render(
        request,
        "executions/console/retry_with.html",
        status_code=error.status if error else 200,
        viewer=operator,
        execution=await service.get_execution(session, execution_id),
        choices=await repeats.choices_for(session, execution_id),
        form=form,
        desks=state_of(request, AppState).plugins.names,
        error=error,
    )


def _to(execution_id: UUID) -> Response:
    # 303, so that the browser reads the page with GET and a reload repeats no write.
    return RedirectResponse(f"/executions/{execution_id}", status_code=303)
