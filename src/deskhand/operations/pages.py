"""Operations in the console: how things stand, kept current every ten seconds while somebody looks, and pauses."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field, ValidationError, field_validator
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.forms import SafeForm
from deskhand.access.guards import Caretaker, CaretakerSession
from deskhand.access.principal import Principal
from deskhand.appstate import App
from deskhand.errors import ConflictError, DeskhandError, InvalidInputError, NotFoundError
from deskhand.kit.problem import invalid_input
from deskhand.operations import repository
from deskhand.operations.schemas import Operations
from deskhand.operations.service import how_it_stands
from deskhand.pauses import service as pauses
from deskhand.pauses.schemas import NewPause
from deskhand.ui.render import SECURITY_HEADERS, render
from deskhand.ui.routing import PageRoute

router = APIRouter(
    prefix="/operations", route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse
)


class PauseForm(BaseModel):
    """What was typed, and what is to be paused: nothing named is the viewer's tenant, or everything."""

    reason: str = Field("", max_length=2000)
    agent_id: UUID | None = None
    tenant_id: str | None = Field(None, max_length=100)

    @field_validator("agent_id", "tenant_id", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None


@router.get("")
async def operations_page(
    request: Request, app: App, viewer: Caretaker, session: CaretakerSession, *, seen: str = Query("", max_length=64)
) -> Response:
    stands = await how_it_stands(session, tenant_id=viewer.tenant_id)
    mark = _mark(stands)
    if seen == mark:
        return Response(status_code=204, headers=SECURITY_HEADERS)
    partial = "hx-request" in request.headers
    return render(
        request,
        f"operations/{'_operations' if partial else 'operations'}.html",
        viewer=viewer,
        now_is=stands,
        desks=app.plugins.names,
        seen=mark,
        now=app.clock(),
    )


@router.get("/pause")
async def ask(
    request: Request, viewer: Caretaker, session: CaretakerSession, wanted: Annotated[PauseForm, Query()]
) -> Response:
    return await _ask(request, viewer, session, wanted, error=None)


@router.post("/pauses")
async def begin(
    request: Request,
    viewer: Caretaker,
    session: CaretakerSession,
    *,
    reason: Annotated[str, Form(max_length=2000)] = "",
    agent_id: Annotated[UUID | None, Form()] = None,
    tenant_id: Annotated[str | None, Form(max_length=100)] = None,
    _safe: SafeForm,
) -> Response:
    wanted = PauseForm(reason=reason, agent_id=agent_id, tenant_id=tenant_id)
    try:
        new = NewPause(**wanted.model_dump())
        await pauses.begin_pause(session, new, tenant_id=viewer.tenant_id, actor=viewer.actor)
    except ValidationError as fault:
        return await _ask(request, viewer, session, wanted, error=invalid_input(fault))
    except (ConflictError, InvalidInputError) as error:
        return await _ask(request, viewer, session, wanted, error=error)
    return _to_operations()


@router.post("/pauses/{pause_id}/end")
async def end(viewer: Caretaker, session: CaretakerSession, pause_id: UUID, *, _safe: SafeForm) -> Response:
    await pauses.end_pause(session, pause_id, tenant_id=viewer.tenant_id, actor=viewer.actor)
    return _to_operations()


async def _ask(
    request: Request, viewer: Principal, session: AsyncSession, wanted: PauseForm, *, error: DeskhandError | None
) -> Response:
    agent_name = None
    if wanted.agent_id is not None and viewer.tenant_id is not None:
        agent_name = await repository.find_agent_name(session, wanted.agent_id)
        if agent_name is None:
            raise NotFoundError(f"There is no agent {wanted.agent_id}.")
    return render(
        request,
        "operations/pause.html",
        status_code=error.status if error else 200,
        viewer=viewer,
        wanted=wanted,
        agent_name=agent_name,
        error=error,
    )


def _mark(stands: Operations) -> str:
    # Without a worker's last word, which alone would make each look a change.
    shown = stands.model_dump_json(exclude={"workers": {"__all__": {"seen_at"}}})
    return hashlib.sha256(shown.encode()).hexdigest()[:16]


def _to_operations() -> Response:
    # 303, so that a reload repeats no write.
    return RedirectResponse("/operations", status_code=303)
