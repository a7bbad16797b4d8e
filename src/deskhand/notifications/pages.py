"""What I am told of, and, for administrators, what was sent and what failed."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.forms import SafeForm
from deskhand.access.guards import TenantAdmin, TenantSession, Viewer
from deskhand.access.principal import Principal
from deskhand.appstate import App, AppState
from deskhand.errors import ConflictError
from deskhand.kit.schema import StorableText
from deskhand.notifications import service
from deskhand.notifications.gathering import lines_of
from deskhand.notifications.models import MessageState, Pace
from deskhand.notifications.schemas import Choices, MessageQuery, MessageView
from deskhand.notifications.words import line_in_words
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE_SIZE = 50
STATES = {
    MessageState.OPEN: ("queued", "Gathering"),
    MessageState.READY: ("waiting", "Leaving"),
    MessageState.HANDED: ("running", "Leaving"),
    MessageState.SENT: ("completed", "Sent"),
    MessageState.DOUBT: ("in_doubt", "In doubt"),
    MessageState.FAILED: ("failed", "Failed"),
}
TABS = (
    ("", "All", ()),
    ("waiting", "Waiting", (MessageState.OPEN, MessageState.READY, MessageState.HANDED)),
    ("sent", "Sent", (MessageState.SENT,)),
    ("failed", "Failed or in doubt", (MessageState.FAILED, MessageState.DOUBT)),
)


class SentForm(BaseModel):
    """What the address of the page tells."""

    show: Literal["", "waiting", "sent", "failed"] = ""
    cursor: StorableText = Field("", max_length=500)
    saved: StorableText = Field("", max_length=10)

    def address(self, *, cursor: str = "", show: str | None = None) -> str:
        """The page with one of these changed."""
        values = {"show": self.show if show is None else show, "cursor": cursor}
        query = urlencode({name: value for name, value in values.items() if value})
        return "/notifications" + (f"?{query}" if query else "")


@router.get("/notifications")
async def notifications_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, form: Annotated[SentForm, Query()]
) -> Response:
    return await _show(request, app, viewer, session, form)


@router.post("/notifications")
async def choose(
    request: Request,
    app: App,
    viewer: Viewer,
    session: TenantSession,
    *,
    failure: Annotated[Pace | None, Form()] = None,
    doubt: Annotated[Pace | None, Form()] = None,
    approval: Annotated[Pace | None, Form()] = None,
    budget_warning: Annotated[Pace | None, Form()] = None,
    budget_stop: Annotated[Pace | None, Form()] = None,
    connection: Annotated[Pace | None, Form()] = None,
    schedule: Annotated[Pace | None, Form()] = None,
    audit: Annotated[Pace | None, Form()] = None,
    storm: Annotated[Pace | None, Form()] = None,
    _safe: SafeForm,
) -> Response:
    wanted = Choices(
        failure=failure,
        doubt=doubt,
        approval=approval,
        budget_warning=budget_warning,
        budget_stop=budget_stop,
        connection=connection,
        schedule=schedule,
        audit=audit,
        storm=storm,
    )
    try:
        await service.choose(session, viewer, wanted, app.secrets)
    except ConflictError as error:
        return await _show(request, app, viewer, session, SentForm(show="", cursor="", saved=""), error=error)
    return RedirectResponse("/notifications?saved=choices", status_code=303)


@router.post("/notifications/{notification_id}/send")
async def send_again(
    request: Request, app: App, admin: TenantAdmin, session: TenantSession, notification_id: UUID, *, _safe: SafeForm
) -> Response:
    try:
        await service.send_again(session, notification_id, principal=admin)
    except ConflictError as error:
        return await _show(request, app, admin, session, SentForm(show="", cursor="", saved=""), error=error)
    return RedirectResponse("/notifications?saved=sent#sent", status_code=303)


async def _show(
    request: Request,
    app: AppState,
    viewer: Principal,
    session: AsyncSession,
    form: SentForm,
    *,
    error: ConflictError | None = None,
) -> Response:
    mine = await service.get_choices(session, viewer, app.secrets)
    is_admin = viewer.may("tenant_admin")
    states = next(states for key, _, states in TABS if key == form.show)
    query = MessageQuery(state=list(states), limit=PAGE_SIZE, cursor=form.cursor or None)
    return render(
        request,
        "notifications/notifications.html",
        status_code=error.status if error else 200,
        viewer=viewer,
        mine=mine,
        held=await service.held(session, viewer.tenant_id or "", app.secrets),
        page=await service.list_messages(session, query) if is_admin else None,
        tabs=[(words, form.address(show=key), key == form.show) for key, words, _ in TABS],
        states=STATES,
        said=said,
        paces=[(Pace.NOW, "At once"), (Pace.DIGEST, "Once a day"), (Pace.OFF, "Not at all")],
        form=form,
        error=error,
        now=app.clock(),
    )


def said(message: MessageView) -> list[str]:
    """What a message tells, a sentence for each cause."""
    items = {
        str(number): line.model_dump(mode="json") | {"subject_id": None} for number, line in enumerate(message.lines)
    }
    return [line_in_words(line) for line in lines_of(items).values()]
