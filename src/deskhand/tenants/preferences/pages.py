"""The settings of a tenant in the console, for its administrators.

A page opens its own short transaction, so that what the service refused is rolled back before the form is shown again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.forms import SafeForm
from deskhand.access.guards import TenantAdmin
from deskhand.access.principal import Principal
from deskhand.appstate import App, AppState
from deskhand.errors import ConfigurationError, DeskhandError, NotFoundError
from deskhand.kit.schema import StorableText
from deskhand.tenants.boundaries import stored_rules
from deskhand.tenants.calendars import stored_calendars
from deskhand.tenants.companies import EVERY_DESK, known_companies
from deskhand.tenants.connections import list_connections
from deskhand.tenants.instructions import stored_instructions
from deskhand.tenants.machine_rules import machine_rules
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.preferences.boxes import shown_in
from deskhand.tenants.preferences.changes import (
    NEW,
    PREFERENCES,
    Preferences,
    digest_of,
    faults_by_box,
    last_changes,
    part_of,
    place_of,
    rules_of,
    stored_in,
)
from deskhand.tenants.preferences.rules import KINDS, Kind, in_words
from deskhand.tenants.preferences.sections import COMPANIES, SECTIONS, Section, company_section
from deskhand.tenants.schemas import RateLimits
from deskhand.tenants.service import TenantService
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(
    prefix="/settings", route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse
)

BOX = "box."
"""What the forms' boxes begin with, so that none is taken for one of the page's own."""
ORDER = ("notes", "storms", "privacy", "approvals", "notifications", "replay", "worth", "companies", "priorities")
_READERS: Mapping[str, Callable[[Mapping[str, Any] | None], object]] = {
    "boundaries": stored_rules,
    "machines": machine_rules,
    "instructions": stored_instructions,
    "calendars": stored_calendars,
}
LIMITS = {
    "webhooks_per_minute": "Deliveries accepted in a minute",
    "concurrent_executions": "Runs at once",
    "executions_per_hour": "Runs started in an hour",
    "weight": "Weight among tenants",
}

SectionKey = Annotated[StorableText, Path(max_length=20)]
RuleKindKey = Annotated[StorableText, Path(max_length=20)]
RulePlace = Annotated[str, Path(pattern="^(new|[0-9]{1,3})$")]
Digest = Annotated[StorableText, Form(max_length=64)]


class SettingsForm(BaseModel):
    """What the address of the page tells."""

    saved: StorableText = Field("", max_length=20, description="Which part was just saved.")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the pages share: the request, and who administers which tenant."""

    request: Request
    app: AppState
    viewer: Principal

    @property
    def tenant_id(self) -> str:
        """Of the one who looks; a platform administrator has none, and is refused before."""
        return self.viewer.tenant_id or ""

    def tenants(self, session: AsyncSession) -> TenantService:
        """What may be done with the tenant, in this transaction."""
        return TenantService(session, secrets=self.app.secrets, plugins=self.app.plugins)

    def preferences(self, session: AsyncSession) -> Preferences:
        """What may be done with its preferences, in this transaction."""
        return Preferences(self.tenants(session), actor=self.viewer.actor)

    async def typed(self) -> dict[str, str]:
        """What stands in the boxes of the form that was sent."""
        form = await self.request.form()
        return {name.removeprefix(BOX): text for name, text in form.items() if isinstance(text, str)}

    def companies(self, tenant: TenantConfig) -> Section:
        """The form about client companies: a box for each connected desk, and for each that is set already."""
        listed = list_connections(tenant, secrets=self.app.secrets, plugins=self.app.plugins)
        named = {
            one.tool_type: one.name for one in listed if one.is_complete or one.tool_type in tenant.company_mapping
        }
        return company_section({**named, EVERY_DESK: "Every other desk" if named else "Every desk"})

    def section(self, key: str, tenant: TenantConfig) -> Section:
        """The form of an address.

        Raises:
            NotFoundError: There is none.
        """
        if key == COMPANIES:
            return self.companies(tenant)
        if key not in SECTIONS:
            raise NotFoundError("There is no such part of the settings.")
        return SECTIONS[key]


async def settings_of(request: Request, app: App, viewer: TenantAdmin) -> Settings:
    """The settings of the tenant that the caller administers."""
    return Settings(request, app, viewer)


TheSettings = Annotated[Settings, Depends(settings_of)]


@router.get("")
async def settings_page(settings: TheSettings, form: Annotated[SettingsForm, Query()]) -> Response:
    return await _show(settings, saved=form.saved)


@router.post("/{section}")
async def save(settings: TheSettings, *, section: SectionKey, digest: Digest = "", _safe: SafeForm) -> Response:
    typed = await settings.typed()
    try:
        async with settings.app.db.tenant_session(settings.tenant_id) as session:
            tenant = await settings.tenants(session).get_tenant(settings.tenant_id)
            wanted = settings.section(section, tenant)
            await settings.preferences(session).save(settings.tenant_id, wanted, typed, digest)
    except NotFoundError:
        raise
    except DeskhandError as error:
        return await _show(settings, typed={section: typed}, error=error)
    return RedirectResponse(f"/settings?saved={section}#{section}", status_code=303)


@router.get("/rules/{rule_kind}/{place}")
async def rule_page(settings: TheSettings, rule_kind: RuleKindKey, place: RulePlace) -> Response:
    return await _show_rule(settings, rule_kind, place)


@router.post("/rules/{rule_kind}/{place}")
async def save_rule(
    settings: TheSettings, *, rule_kind: RuleKindKey, place: RulePlace, digest: Digest = "", _safe: SafeForm
) -> Response:
    typed, kind = await settings.typed(), _kind(rule_kind)
    try:
        async with settings.app.db.tenant_session(settings.tenant_id) as session:
            preferences = settings.preferences(session)
            await preferences.save_rule(settings.tenant_id, kind, place, typed=typed, digest=digest)
    except NotFoundError:
        raise
    except DeskhandError as error:
        return await _show_rule(settings, rule_kind, place, typed=typed, error=error)
    return RedirectResponse(f"/settings?saved={kind.key}#{kind.key}", status_code=303)


@router.post("/rules/{rule_kind}/{place}/remove")
async def remove_rule(
    settings: TheSettings, *, rule_kind: RuleKindKey, place: RulePlace, digest: Digest = "", _safe: SafeForm
) -> Response:
    kind = _kind(rule_kind)
    try:
        async with settings.app.db.tenant_session(settings.tenant_id) as session:
            await settings.preferences(session).remove_rule(settings.tenant_id, kind, place, digest=digest)
    except NotFoundError:
        raise
    except DeskhandError as error:
        return await _show_rule(settings, rule_kind, place, error=error)
    return RedirectResponse(f"/settings?saved={kind.key}#{kind.key}", status_code=303)


async def _show(
    settings: Settings,
    *,
    typed: Mapping[str, Mapping[str, str]] | None = None,
    error: DeskhandError | None = None,
    saved: str = "",
) -> Response:
    async with settings.app.db.tenant_session(settings.tenant_id) as session:
        tenant = await settings.tenants(session).get_tenant(settings.tenant_id)
        changed = await last_changes(session, settings.tenant_id)
        companies = await known_companies(session)
    drawn = [_drawn(settings.section(key, tenant), tenant, (typed or {}).get(key), error) for key in ORDER]
    limits = {**RateLimits().model_dump(), **(tenant.rate_limits or {})}
    return render(
        settings.request,
        "tenants/preferences/settings.html",
        status_code=error.status if error else 200,
        viewer=settings.viewer,
        tenant=tenant,
        drawn=drawn,
        rules=[_listed(kind, tenant) for kind in KINDS.values()],
        changed=changed,
        companies=len(companies),
        limits=[(words, limits[name]) for name, words in LIMITS.items()],
        saved=saved,
        error=error,
        box=BOX,
        now=settings.app.clock(),
    )


def _drawn(
    section: Section, tenant: TenantConfig, typed: Mapping[str, str] | None, error: DeskhandError | None
) -> dict[str, Any]:
    """A form with what stands in it."""
    stored = stored_in(tenant, section.place)
    own = error if typed is not None else None
    return {
        "section": section,
        "values": shown_in(section.boxes, stored, typed),
        "faults": faults_by_box(section.boxes, own, under=(section.place,)),
        "digest": digest_of(part_of(tenant, section)),
        "refused": own,
        "changed_as": sorted({section.place if section.key == COMPANIES else box.path[0] for box in section.boxes}),
    }


def _listed(kind: Kind, tenant: TenantConfig) -> dict[str, Any]:
    """A list of rules in words; of one that cannot be read only that."""
    try:
        _READERS[kind.key](tenant.enhancement_preferences)
    except ConfigurationError as error:
        return {"kind": kind, "rules": [], "broken": error.detail}
    return {"kind": kind, "rules": [(one["name"], in_words(one, kind)) for one in rules_of(tenant, kind)], "broken": ""}


async def _show_rule(
    settings: Settings,
    rule_kind: str,
    place: str,
    *,
    typed: Mapping[str, str] | None = None,
    error: DeskhandError | None = None,
) -> Response:
    kind = _kind(rule_kind)
    async with settings.app.db.tenant_session(settings.tenant_id) as session:
        tenant = await settings.tenants(session).get_tenant(settings.tenant_id)
    rules = rules_of(tenant, kind)
    number = len(rules) if place == NEW else place_of(rules, place)
    stored = {} if place == NEW else rules[number]
    under = (PREFERENCES, kind.key, str(number))
    return render(
        settings.request,
        "tenants/preferences/rule.html",
        status_code=error.status if error else 200,
        viewer=settings.viewer,
        kind=kind,
        place=place,
        is_new=place == NEW,
        values=shown_in(kind.boxes, stored, typed),
        faults=faults_by_box(kind.boxes, error, under=under),
        digest=digest_of(rules),
        error=error,
        box=BOX,
    )


def _kind(rule_kind: str) -> Kind:
    if rule_kind not in KINDS:
        raise NotFoundError("There are no such rules.")
    return KINDS[rule_kind]
