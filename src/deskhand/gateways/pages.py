"""Connections to models in the console: of a tenant for its administrators, the shared ones for the platform's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.forms import SafeForm
from deskhand.access.guards import Steward, StewardSession
from deskhand.access.principal import Principal
from deskhand.appstate import App
from deskhand.errors import ConflictError, DeskhandError, InvalidInputError
from deskhand.gateways import service
from deskhand.gateways.endpoints import ConnectionSlug, report_of
from deskhand.gateways.models import ConnectionKind
from deskhand.gateways.schemas import (
    ConnectionChange,
    ConnectionReport,
    ConnectionTrial,
    ConnectionView,
    NewConnection,
)
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import StorableText
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(
    prefix="/models", route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse
)

KINDS = {
    ConnectionKind.OPENAI_COMPATIBLE: ("OpenAI-compatible gateway", "an address that ends in /v1, and its key"),
    ConnectionKind.LITELLM_PROXY: ("LiteLLM proxy", "the address of yours, and a virtual key"),
    ConnectionKind.EMBEDDED: ("Embedded model", "the small one on this machine: no address, no key"),
    ConnectionKind.LITELLM_SDK: ("LiteLLM SDK", "vendors without a gateway; workers need the extra deskhand[litellm]"),
}


class ConnectionForm(BaseModel):
    """What was typed; the schemas of the API judge it. A key that was typed is never shown again."""

    slug: StorableText = ""
    kind: StorableText = ConnectionKind.OPENAI_COMPATIBLE.value
    name: StorableText = ""
    base_url: StorableText = ""
    aliases: StorableText = ""
    is_local: bool = False
    region: StorableText = ""
    is_default: bool = False
    tenants: StorableText = ""

    @classmethod
    def of(cls, one: ConnectionView) -> ConnectionForm:
        """The form as it stands before anybody typed."""
        return cls(
            slug=one.slug,
            kind=one.kind.value,
            name=one.name,
            base_url=one.base_url or "",
            aliases="\n".join(f"{alias} = {target}" for alias, target in one.aliases.items()),
            is_local=one.is_local,
            region=one.region,
            is_default=one.is_default,
            tenants=", ".join(one.tenants or ()),
        )

    def body(self, viewer: Principal) -> dict[str, Any]:
        """What the API would be sent, but for slug, kind and key.

        Raises:
            InvalidInputError: A line of the aliases is none.
        """
        tenants = [name for name in self.tenants.replace(",", " ").split() if name]
        shared = {} if viewer.tenant_id else {"tenants": tenants or None}
        # A browser sends an empty box for an address that there is none of.
        address = {"base_url": self.base_url.strip()} if self.base_url.strip() else {}
        return {
            "name": self.name,
            "aliases": _aliases(self.aliases),
            "is_local": self.is_local,
            "region": self.region,
            "is_default": self.is_default,
            **address,
            **shared,
        }


async def _form(
    *,
    slug: Annotated[StorableText, Form(max_length=1000)] = "",
    kind: Annotated[StorableText, Form(max_length=100)] = "",
    name: Annotated[StorableText, Form(max_length=1000)] = "",
    base_url: Annotated[StorableText, Form(max_length=2000)] = "",
    aliases: Annotated[StorableText, Form(max_length=50_000)] = "",
    is_local: Annotated[bool, Form()] = False,
    region: Annotated[StorableText, Form(max_length=1000)] = "",
    is_default: Annotated[bool, Form()] = False,
    tenants: Annotated[StorableText, Form(max_length=50_000)] = "",
) -> ConnectionForm:
    return ConnectionForm(
        slug=slug.strip(),
        kind=kind,
        name=name,
        base_url=base_url,
        aliases=aliases,
        is_local=is_local,
        region=region,
        is_default=is_default,
        tenants=tenants,
    )


Typed = Annotated[ConnectionForm, Depends(_form)]
TypedKey = Annotated[StorableText, Form(max_length=10_000)]


@router.get("")
async def list_page(request: Request, app: App, viewer: Steward, session: StewardSession) -> Response:
    return await _list(request, app, viewer, session)


@router.post("")
async def create(
    request: Request,
    app: App,
    viewer: Steward,
    session: StewardSession,
    *,
    typed: Typed,
    api_key: TypedKey = "",
    _safe: SafeForm,
) -> Response:
    try:
        key = {"api_key": api_key.strip()} if api_key.strip() else {}
        data = NewConnection.model_validate({"slug": typed.slug, "kind": typed.kind, **typed.body(viewer), **key})
        # Of its own: what was refused is undone before the page reads what there is.
        async with session.begin_nested():
            made = await service.add_connection(
                session,
                data,
                tenant_id=viewer.tenant_id,
                secrets=app.secrets,
                may_be_plain=app.http.allow_private,
                actor=viewer.actor,
            )
    except ValidationError as fault:
        return await _list(request, app, viewer, session, typed=typed, error=invalid_input(fault))
    except (ConflictError, InvalidInputError) as error:
        return await _list(request, app, viewer, session, typed=typed, error=error)
    return RedirectResponse(f"/models/{made.slug}", status_code=303)


@router.get("/{connection}")
async def connection_page(
    request: Request, app: App, viewer: Steward, session: StewardSession, connection: ConnectionSlug
) -> Response:
    return await _one(request, app, viewer, session, connection)


@router.post("/{connection}")
async def change(
    request: Request,
    app: App,
    viewer: Steward,
    session: StewardSession,
    connection: ConnectionSlug,
    *,
    typed: Typed,
    api_key: TypedKey = "",
    forget_key: Annotated[bool, Form()] = False,
    _safe: SafeForm,
) -> Response:
    await service.get_connection(session, connection, viewer.tenant_id)
    key: Mapping[str, Any] = (
        {"api_key": api_key.strip()} if api_key.strip() else {"api_key": None} if forget_key else {}
    )
    try:
        data = ConnectionChange.model_validate({**typed.body(viewer), **key})
        # Of its own: what was refused half-way is undone before the page reads it again.
        async with session.begin_nested():
            await service.change_connection(
                session,
                connection,
                data,
                tenant_id=viewer.tenant_id,
                secrets=app.secrets,
                may_be_plain=app.http.allow_private,
                actor=viewer.actor,
            )
    except ValidationError as fault:
        return await _one(request, app, viewer, session, connection, typed=typed, error=invalid_input(fault))
    except InvalidInputError as error:
        return await _one(request, app, viewer, session, connection, typed=typed, error=error)
    return RedirectResponse(f"/models/{connection}", status_code=303)


async def _tested(
    viewer: Steward, app: App, connection: ConnectionSlug, model: Annotated[StorableText, Form(max_length=200)] = ""
) -> ConnectionReport:
    # Before the transaction begins: a slow gateway must not hold a database connection.
    return await report_of(app, viewer, connection, ConnectionTrial(model=model.strip() or None))


@router.post("/{connection}/test")
async def test(
    request: Request,
    app: App,
    viewer: Steward,
    *,
    _safe: SafeForm,
    report: Annotated[ConnectionReport, Depends(_tested)],
    session: StewardSession,
    connection: ConnectionSlug,
) -> Response:
    await service.keep_report(session, connection, report, tenant_id=viewer.tenant_id, actor=viewer.actor)
    return await _one(request, app, viewer, session, connection, report=report)


@router.get("/{connection}/remove")
async def ask_remove(
    request: Request, viewer: Steward, session: StewardSession, connection: ConnectionSlug
) -> Response:
    row = await service.get_connection(session, connection, viewer.tenant_id)
    shown = service.view(row, viewer.tenant_id)
    return render(request, "gateways/remove.html", viewer=viewer, one=shown)


@router.post("/{connection}/remove")
async def remove(viewer: Steward, session: StewardSession, connection: ConnectionSlug, *, _safe: SafeForm) -> Response:
    await service.remove_connection(session, connection, tenant_id=viewer.tenant_id, actor=viewer.actor)
    return RedirectResponse("/models", status_code=303)


async def _list(
    request: Request,
    app: App,
    viewer: Principal,
    session: AsyncSession,
    *,
    typed: ConnectionForm | None = None,
    error: DeskhandError | None = None,
) -> Response:
    return render(
        request,
        "gateways/list.html",
        status_code=error.status if error else 200,
        viewer=viewer,
        connections=await service.list_connections(session, viewer.tenant_id),
        typed=typed or ConnectionForm(),
        error=error,
        kinds=KINDS,
        has_settings=app.gateway.base_url is not None,
        now=app.clock(),
    )


async def _one(
    request: Request,
    app: App,
    viewer: Principal,
    session: AsyncSession,
    slug: str,
    *,
    typed: ConnectionForm | None = None,
    error: DeskhandError | None = None,
    report: ConnectionReport | None = None,
) -> Response:
    one = service.view(await service.get_connection(session, slug, viewer.tenant_id), viewer.tenant_id)
    return render(
        request,
        "gateways/connection.html",
        status_code=error.status if error else 200,
        viewer=viewer,
        one=one,
        typed=typed or ConnectionForm.of(one),
        error=error,
        report=report,
        kinds=KINDS,
        now=app.clock(),
    )


def _aliases(text: str) -> dict[str, str]:
    """``name = model`` on each line.

    Raises:
        InvalidInputError: A line is something else; names it.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, sign, model = (part.strip() for part in line.partition("="))
        if not (sign and name and model):
            raise InvalidInputError(f"Line {number} of the aliases must read: name = model.")
        found[name] = model
    return found
