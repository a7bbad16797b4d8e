"""A tenant's desks: which are connected, with what, and whether that works.

A page opens its own short transaction: a desk that is tested answers when it likes, and no database connection waits
for it; and what a service refused is rolled back before the form is shown again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.forms import SafeForm
from deskhand.access.guards import Administrator, TenantPath
from deskhand.access.principal import Principal
from deskhand.appstate import App, AppState
from deskhand.errors import DeskhandError
from deskhand.intake import repository
from deskhand.intake.endpoints import IntakeState
from deskhand.intake.heard import Heard, heard_of
from deskhand.intake.schemas import DeliveryRecord
from deskhand.kit.db.session import database_now
from deskhand.plugins.registry import describe
from deskhand.tenants.connections import check_connection, desk_for, list_connections, stored_values
from deskhand.tenants.desks.changes import DeskConnections
from deskhand.tenants.desks.fields import DeskField, faults_by_field, fields_of, read_form
from deskhand.tenants.endpoints import ToolPath
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.note_trials.service import newest_trial
from deskhand.tenants.schemas import ConnectionCheck, ConnectionResponse, ConnectionTestResponse
from deskhand.tenants.service import TenantService
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(
    prefix="/tenants/{tenant_id}/desks",
    route_class=PageRoute,
    include_in_schema=False,
    default_response_class=HTMLResponse,
)

GROUPS = {"needed": "The connection", "account": "Who signs in", "further": "Further settings"}
BOX = "desk."
"""What the form's boxes begin with, so that no plugin's field is taken for one of the page's own."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the pages of one desk share: the request, and who asks for which desk of which tenant."""

    request: Request
    app: AppState
    viewer: Principal
    tenant_id: str
    tool_type: str

    @property
    def address(self) -> str:
        """Of the desk's page."""
        return f"/tenants/{self.tenant_id}/desks/{self.tool_type}"

    @property
    def fields(self) -> list[DeskField]:
        """Of its form."""
        return fields_of(self.app.plugins.get_plugin(self.tool_type))

    def connections(self, session: AsyncSession) -> DeskConnections:
        """What may be done with the tenant's desks, in this transaction."""
        tenants = TenantService(session, secrets=self.app.secrets, plugins=self.app.plugins)
        return DeskConnections(tenants, secrets=self.app.secrets, plugins=self.app.plugins, actor=self.viewer.actor)

    def context(self, tenant: TenantConfig) -> dict[str, Any]:
        """What each of its pages shows."""
        listed = list_connections(tenant, secrets=self.app.secrets, plugins=self.app.plugins)
        return {
            "viewer": self.viewer,
            "tenant_id": self.tenant_id,
            "address": self.address,
            "desk": next(one for one in listed if one.tool_type == self.tool_type),
            "now": self.app.clock(),
        }


async def one_desk(
    request: Request, app: App, viewer: Administrator, tenant_id: TenantPath, tool_type: ToolPath
) -> Desk:
    """The desk that the address names, for who administers its tenant.

    Raises:
        PluginNotFoundError: There is no such desk.
    """
    app.plugins.get_plugin(tool_type)
    return Desk(request, app, viewer, tenant_id, tool_type)


OneDesk = Annotated[Desk, Depends(one_desk)]


@router.get("")
async def list_page(request: Request, app: App, viewer: Administrator, tenant_id: TenantPath) -> Response:
    async with app.db.tenant_session(tenant_id) as session:
        tenant = await read_tenant(app, session, tenant_id)
        agents = await repository.agents_by_tool(session)
        newest = await repository.newest_by_desk(session)
    listed = list_connections(tenant, secrets=app.secrets, plugins=app.plugins)
    return render(
        request,
        "intake/console/desks.html",
        viewer=viewer,
        tenant_id=tenant_id,
        desks=[one for one in listed if is_begun(one)],
        others=[one for one in listed if not is_begun(one)],
        agents=agents,
        heard={one.tool_type: heard_last(app, tenant_id, one.tool_type, newest) for one in listed},
        now=app.clock(),
    )


@router.get("/{tool_type}")
async def desk_page(desk: OneDesk) -> Response:
    return await show_desk(desk)


@router.post("/{tool_type}")
async def save(desk: OneDesk, *, _safe: SafeForm) -> Response:
    form = await desk.request.form()
    typed = {key.removeprefix(BOX): text for key, text in form.items() if key.startswith(BOX) and isinstance(text, str)}
    try:
        async with desk.app.db.tenant_session(desk.tenant_id) as session:
            await desk.connections(session).connect(desk.tenant_id, desk.tool_type, read_form(desk.fields, typed))
    except DeskhandError as error:
        return await show_desk(desk, typed=typed, error=error)
    # Tried at once: whether it works is what whoever saves it wants to know.
    return await show_desk(desk, is_saved=True, report=await tested(desk))


@router.post("/{tool_type}/test")
async def test(desk: OneDesk, *, _safe: SafeForm) -> Response:
    return await show_desk(desk, report=await tested(desk))


@router.post("/{tool_type}/default")
async def make_default(desk: OneDesk, *, _safe: SafeForm) -> Response:
    async with desk.app.db.tenant_session(desk.tenant_id) as session:
        await desk.connections(session).make_default(desk.tenant_id, desk.tool_type)
    return RedirectResponse(desk.address, status_code=303)


@router.get("/{tool_type}/disconnect")
async def ask_to_disconnect(desk: OneDesk) -> Response:
    async with desk.app.db.tenant_session(desk.tenant_id) as session:
        tenant = await read_tenant(desk.app, session, desk.tenant_id)
        agents = (await repository.agents_by_tool(session)).get(desk.tool_type, [])
    return render(desk.request, "intake/console/disconnect.html", **desk.context(tenant), agents=agents)


@router.post("/{tool_type}/disconnect")
async def disconnect(desk: OneDesk, *, _safe: SafeForm) -> Response:
    async with desk.app.db.tenant_session(desk.tenant_id) as session:
        await desk.connections(session).disconnect(desk.tenant_id, desk.tool_type)
    return RedirectResponse(f"/tenants/{desk.tenant_id}/desks", status_code=303)


async def show_desk(
    desk: Desk,
    *,
    typed: Mapping[str, str] | None = None,
    error: DeskhandError | None = None,
    report: ConnectionTestResponse | None = None,
    is_saved: bool = False,
    untried: DeskhandError | None = None,
    ticket: str = "",
) -> Response:
    """The page of one desk, with what was typed if that was refused, or with what a test found."""
    async with desk.app.db.tenant_session(desk.tenant_id) as session:
        tenant = await read_tenant(desk.app, session, desk.tenant_id)
        trial = newest_trial(tenant, desk.tool_type, await database_now(session))
        agents = (await repository.agents_by_tool(session)).get(desk.tool_type, [])
        newest = await repository.newest_by_desk(session)
    stored, failed = stored_values(tenant, desk.tool_type, desk.app.secrets), error or untried
    return render(
        desk.request,
        "intake/console/desk.html",
        status_code=failed.status if failed else 200,
        **desk.context(tenant),
        trial=trial,
        untried=untried,
        ticket=ticket,
        trial_key=uuid4().hex,
        agents=agents,
        heard=heard_last(desk.app, desk.tenant_id, desk.tool_type, newest),
        groups=grouped(desk.fields),
        values=boxes_of(desk.fields, stored, typed),
        stored=frozenset(stored),
        faults=faults_by_field(desk.fields, error),
        error=error,
        report=report,
        is_saved=is_saved,
        about=describe(desk.app.plugins.get_plugin(desk.tool_type)),
        box=BOX,
    )


async def tested(desk: Desk) -> ConnectionTestResponse:
    """What a try on the real desk finds; what keeps it from being tried is found, too."""
    try:
        # The transaction ends before the desk is called: a slow vendor must not hold a database connection.
        async with desk.app.db.tenant_session(desk.tenant_id) as session:
            tenant = await read_tenant(desk.app, session, desk.tenant_id)
        app = desk.app
        opened = desk_for(tenant, desk.tool_type, secrets=app.secrets, plugins=app.plugins, http=app.http)
        return await check_connection(opened)
    except DeskhandError as error:
        failed = ConnectionCheck(name=error.title, ok=False, detail=error.detail)
        return ConnectionTestResponse(tool_type=desk.tool_type, ok=False, checks=[failed])


def heard_last(app: AppState, tenant_id: str, tool_type: str, newest: Mapping[str, DeliveryRecord]) -> Heard | None:
    """A desk's newest delivery: of those to agents, and of what came where no agent listens."""
    kept = heard_of(newest[tool_type]) if tool_type in newest else None
    unkept = app.inbox.last_heard(tenant_id, tool_type) if isinstance(app, IntakeState) else None
    return max((one for one in (kept, unkept) if one), key=lambda one: one.at, default=None)


async def read_tenant(app: AppState, session: AsyncSession, tenant_id: str) -> TenantConfig:
    """The tenant of the page.

    Raises:
        NotFoundError: There is none; a platform administrator may ask for any.
    """
    return await TenantService(session, secrets=app.secrets, plugins=app.plugins).get_tenant(tenant_id)


def is_begun(connection: ConnectionResponse) -> bool:
    """Whether anything of a connection is there, be it incomplete."""
    return connection.is_complete or connection.is_default or bool(connection.settings or connection.secrets_set)


def grouped(fields: list[DeskField]) -> list[tuple[str, str, list[DeskField]]]:
    """The fields under their headings, those without fields left out."""
    grouped = [(group, words, [one for one in fields if one.group == group]) for group, words in GROUPS.items()]
    return [one for one in grouped if one[2]]


def boxes_of(fields: list[DeskField], stored: Mapping[str, Any], typed: Mapping[str, str] | None) -> dict[str, str]:
    """What stands in each box: what was typed, or what is stored and may be shown. A secret is never either."""
    boxes = {}
    for one in fields:
        if one.kind == "secret":
            boxes[one.name] = ""
        elif typed is not None:
            boxes[one.name] = typed.get(one.name, "")
        elif one.is_kept:
            boxes[one.name] = ""
        else:
            boxes[one.name] = one.written(stored[one.name]) if one.name in stored else one.default
    return boxes
